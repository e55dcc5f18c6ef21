#include <optional>
#include <utility>

#include "controller/trial.h"
#include "lab/outside_breaker.h"

namespace switchgear::lab {
namespace {

using controller::Action;
using controller::TrialResult;

constexpr Duration kLease = 1min;
constexpr Duration kAwake = 55s;

class ShippedBreaker final : public OutsideBreaker {
 public:
  ShippedBreaker(MappingWorld& world, const fleet::PolicyTable& table, ReconcilerRuns runs)
      : world_(world), table_(table), runs_(std::move(runs)), kept_(runs_.woken ? 0 : kMost) {
    if (runs_.woken) {
      world_.on_alarm = [this](auto, auto) { wake(); };
      scheduled();
    } else {
      start();
    }
    world_.scheduler.after(1s, [this] { look_after_kept(); });
  }

  State state() const override {
    const auto& cells = world_.store.cells();
    const auto cell = cells.find(MappingWorld::kCircuit);
    if (cell == cells.end()) return State::closed;
    const auto& record = cell->second.read_record;
    return record && record->has_value() ? record->value().state : State::closed;
  }

 private:
  static constexpr std::size_t kMost = controller::KeptMessages::kMost;

  void start() {
    ++life_;
    awake_ = true;
    wakes_at_ = TrueTime{0};
    reconciler_.emplace(runs_.circuit, table_, kLease, fleet::InstanceId{life_},
                        world_.random.next(), world_.clocks());
    pump();
  }

  // ---- As a scheduled function
  void scheduled() {
    wake();
    world_.scheduler.after(1min, [this] { scheduled(); });
  }
  void wake() {
    if (awake_) return;
    start();
    world_.scheduler.after(kAwake, [this, life = life_] {
      if (life != life_) return;
      reconciler_->leave();
      pump();
    });
  }

  void pump() {
    while (auto action = reconciler_->next_action(world_.clocks())) {
      later(MappingWorld::kAnswer, [this, a = std::move(*action)] {
        std::visit([this](const auto& one) { carry_out(one); }, a);
      });
    }
    (void)reconciler_->take_notices();
    for (const auto& a : reconciler_->take_announcements()) reconciler_->announced(a);
    if (runs_.woken && (reconciler_->left() || reconciler_->quiet())) {
      if (!reconciler_->left()) reconciler_->leave();
      if (reconciler_->left()) {
        awake_ = false;
        return;
      }
    }
    const Duration wait = reconciler_->until_next(world_.clocks());
    if (wait == Duration::max()) return;
    const TrueTime wake = world_.now() + std::max<Duration>(wait, 10ms);
    if (wakes_at_ > world_.now() && wakes_at_ <= wake) return;
    wakes_at_ = wake;
    later(wake - world_.now(), [this, wake] {
      if (wakes_at_ == wake) wakes_at_ = TrueTime{0};
      pump();
    });
  }

  // Nothing of an earlier life.
  void later(Duration time, std::function<void()> task) {
    world_.scheduler.after(time, [this, life = life_, task = std::move(task)] {
      if (life == life_ && awake_) task();
    });
  }

  template <class F>
  void answer(F&& give) {
    give(*reconciler_, world_.clocks());
    pump();
  }

  // ---- Actions
  void carry_out(const controller::CircuitAction& a) {
    const auto found =
        world_.store.execute(MappingWorld::kCircuit, a.operation, world_.store_time());
    answer([&](auto& r, const Now& n) { r.circuit_answered(found, n); });
  }
  void carry_out(const controller::ReadNoteAction&) {
    const auto note = world_.store.read_note(MappingWorld::kCircuit, world_.store_time());
    answer([&](auto& r, const Now& n) { r.note_answered(note, n); });
  }
  void carry_out(const controller::WriteNoteAction& a) {
    const auto note =
        world_.store.write_note(MappingWorld::kCircuit, a.expected, a.text, world_.store_time());
    answer([&](auto& r, const Now& n) { r.note_answered(note, n); });
  }
  void carry_out(const controller::ReadAlarmsAction& a) {
    controller::Alarms alarms;
    for (const std::string& name : a.names) {
      alarms[name] = (name == "events" ? world_.events_alarm() : world_.function_alarm()).view();
    }
    answer([&](auto& r, const Now& n) { r.alarms_answered(alarms, n); });
  }
  void carry_out(const controller::ListMappingsAction&) {
    answer([&](auto& r, const Now& n) {
      r.mappings_listed(std::vector<controller::Mapping>{world_.mapping()}, n);
    });
  }
  void carry_out(const controller::GetMappingAction&) {
    answer([&](auto& r, const Now& n) { r.mapping_answered(world_.mapping(), n); });
  }
  void carry_out(const controller::UpdateMappingAction& a) {
    const auto mapping = world_.update(a.settings);
    answer([&](auto& r, const Now& n) { r.mapping_answered(mapping, n); });
  }
  void carry_out(const controller::ReadTagsAction&) {
    answer([&](auto& r, const Now& n) { r.tags_answered(world_.tags(), n); });
  }
  void carry_out(const controller::TagAction& a) {
    world_.tags() = a.tags;
    answer([](auto& r, const Now& n) { r.tagged({}, n); });
  }
  void carry_out(const controller::UntagAction& a) {
    for (const auto& key : a.keys) world_.tags().erase(key);
    answer([](auto& r, const Now& n) { r.tagged({}, n); });
  }
  void carry_out(const controller::LookAtQueueAction&) {
    const std::int64_t visible = world_.queue.visible(world_.now());
    const controller::QueueLook look{.attributes = world_.queue.attributes(),
                                     .visible = visible,
                                     .in_flight = world_.queue.size() - visible};
    answer([&](auto& r, const Now& n) { r.queue_answered(look, n); });
  }
  void carry_out(const controller::SetRetentionAction& a) {
    world_.queue.attributes().retention = a.retention;
    answer([](auto& r, const Now& n) { r.retention_set({}, n); });
  }
  void carry_out(const controller::SetRedriveAction& a) {
    world_.queue.attributes().redrive = *queue::parse_redrive_policy(a.policy);
    world_.queue.attributes().redrive_text = a.policy;
    answer([](auto& r, const Now& n) { r.redrive_set({}, n); });
  }
  // No run here lasts as long as a queue keeps messages.
  void carry_out(const controller::ParkAction&) {
    answer([](auto& r, const Now& n) { r.moved({.trouble = "no parking queue"}, n); });
  }
  void carry_out(const controller::ReturnParkedAction&) {
    answer([](auto& r, const Now& n) { r.moved({.trouble = "no parking queue"}, n); });
  }

  // ---- Trial messages
  void carry_out(const controller::TrialAction& a) {
    trial_.emplace(a.mapping, world_.queue.attributes(), 10s, a.rest, kept_,
                   core::Random(world_.random.next()));
    const MonoTime mono = world_.clocks().mono;
    go_on(kept_.must_be_tried(a.mapping.source_arn) ? trial_->start_with_kept(mono)
                                                    : trial_->start());
  }
  void go_on(const controller::TrialStep& step) {
    if (const auto* result = std::get_if<TrialResult>(&step)) {
      return answer([&](auto& r, const Now& n) { r.trial_ended(*result, n); });
    }
    later(MappingWorld::kAnswer, [this, step] { take(step); });
  }
  void take(const controller::TrialStep& step) {
    const MonoTime mono = world_.clocks().mono;
    if (const auto* receive = std::get_if<controller::ReceiveScout>(&step)) {
      go_on(trial_->received(world_.queue.receive(1, receive->visibility, world_.now()), mono));
    } else if (std::holds_alternative<controller::InvokeWithScout>(step)) {
      world_.invoke(1, false, [this, life = life_](bool ok) {
        world_.counts().burnt += !ok;
        if (life != life_ || !awake_) return;
        const std::string error = ok ? "" : "Unhandled";
        go_on(trial_->invoked(
            aws::Invocation{.function_error = error, .payload = {}, .executed_version = {}},
            world_.clocks().mono));
      });
    } else if (const auto* remove = std::get_if<controller::DeleteScout>(&step)) {
      world_.queue.remove(remove->message.receipt_handle);
      go_on(trial_->settled({}));
    } else if (const auto* hide = std::get_if<controller::HideScout>(&step)) {
      const bool hidden =
          world_.queue.hide(hide->message.receipt_handle, hide->visibility, world_.now());
      go_on(trial_->settled(hidden ? Result<void>()
                                   : Error{"MessageNotInflight", "gone", false, "sqs"}));
    } else {
      go_on(trial_->waited());
    }
  }
  void look_after_kept() {
    const MonoTime mono = world_.clocks().mono;
    for (const auto& due : kept_.due(mono)) {
      world_.queue.hide(due.message.receipt_handle, controller::KeptMessages::kHidden,
                        world_.now());
    }
    reconciler_->keeps(MappingWorld::kQueueArn, kept_.kept_for(MappingWorld::kQueueArn, mono));
    const State s = kept_.empty() ? State::open : state();
    if (s == State::closed || s == State::recovering) {
      while (const auto message = kept_.take(MappingWorld::kQueueArn)) {
        world_.queue.hide(message->receipt_handle, Duration{0}, world_.now());
      }
    }
    world_.scheduler.after(1s, [this] { look_after_kept(); });
  }

  MappingWorld& world_;
  const fleet::PolicyTable& table_;
  const ReconcilerRuns runs_;
  controller::KeptMessages kept_;
  std::optional<controller::Reconciler> reconciler_;
  std::optional<controller::Trial> trial_;
  std::uint64_t life_ = 0;
  bool awake_ = false;
  TrueTime wakes_at_{0};
};

}  // namespace

std::unique_ptr<OutsideBreaker> shipped_breaker(MappingWorld& world,
                                                const fleet::PolicyTable& table,
                                                ReconcilerRuns runs) {
  return std::make_unique<ShippedBreaker>(world, table, std::move(runs));
}

}  // namespace switchgear::lab
