// A small world around reconcilers: mappings that take their time, alarms over one-minute windows,
// a queue and a dependency, in virtual time. Where it goes beyond what emulators do (states of
// transition, refusals while they last, lists that lag) it follows AWS's Lambda API reference; it
// was never compared with AWS.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/queue_for_tests.h"
#include "controller/reconciler.h"
#include "controller/trial.h"
#include "core/assert.h"
#include "stores/memory_store.h"

namespace switchgear::controller {

class World {
 public:
  struct Function {
    Mapping mapping;
    Duration changes_until{0};
    bool hides_whether_on = false;  // "Updating" does not tell
    Settings listed;                // what lists say: lags behind
    Duration list_lags_until{0};
    std::map<std::string, std::string> tags;
    int updates = 0;
  };

  explicit World(CircuitOptions options, Policy policy = {}) : options_(std::move(options)) {
    policy.open_duration = 30s;
    policy.max_open_duration = 2min;
    table_ = std::make_unique<fleet::PolicyTable>(policy);
    start();
  }

  static constexpr WallTime kWallAtZero{1'700'000'000s};
  static constexpr Duration kTick = 1s;
  static constexpr Duration kWayOfAnAnswer = 40ms;
  static constexpr Duration kToggle = 8s;

  // ---- The world's facts -----------------------------------------------------------------------
  std::map<std::string, Function> functions;
  std::map<std::string, std::string> of_selector;  // text of the selector: UUID
  std::set<std::string> unlisted;                  // lists leave them out
  // Refuses an action, which then has no effect.
  std::function<std::optional<Error>(const Action&)> refusal;
  bool healthy = true;
  bool alarm_exists = true;
  bool alarms_readable = true;
  bool alarm_stuck = false;  // stays in ALARM once there: another trigger of the function fails
  int backlog = 1'000'000;   // messages in the queue
  std::map<std::string, int> waiting;  // what a look at this queue finds instead
  std::vector<std::string> changed;    // UUIDs, in the order of updates
  int arriving = 0;                    // more each tick
  int trials = 0;
  int failed_calls = 0;
  int good_calls = 0;
  int limit_max_seen = 0;
  Duration shortest_rest{1h};  // that the controller asked for
  int max_receive_count = 0;   // 0: nothing is dead-lettered
  std::chrono::seconds visibility_timeout{30};
  std::map<std::string, QueueForTests> queues;  // by ARN; of others only `backlog` is known
  bool redrive_may_be_set = true;
  bool sends_fail = false;
  std::chrono::seconds retention = std::chrono::days(4);
  bool retention_may_be_set = true;
  KeptMessages kept;
  int redrives_set = 0;
  std::vector<std::string> handled;         // bodies, of what the function has done
  std::vector<Announcement> announcements;  // heard at once
  std::vector<std::string> log;
  stores::MemoryTable store;
  stores::Note note;

  void add_mapping(const std::string& uuid, std::optional<int> limit = 50, bool enabled = true) {
    Function f;
    f.mapping = {.uuid = uuid,
                 .arn = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:" + uuid,
                 .function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:f-" + uuid,
                 .source_arn = "arn:aws:sqs:eu-central-1:123456789012:orders-" + uuid,
                 .settings = {.enabled = enabled, .limit = limit, .batch_size = 10, .window_s = 0}};
    f.listed = f.mapping.settings;
    functions.emplace(uuid, f);
  }

  // A person's hand on a mapping.
  void set(const std::string& uuid, const Settings& settings) {
    Function& f = functions.at(uuid);
    f.mapping.settings.enabled = settings.enabled;
    f.mapping.settings.limit = settings.limit;
    change(f);
  }

  // A person's hand on the circuit; HoldKind::none releases it.
  void hold(HoldKind kind) {
    const auto snapshot = store.execute(options_.name, fleet::ReadOp{}, store_time()).snapshot;
    const fleet::Decider decider{.nonce = static_cast<std::uint64_t>(actions)};
    const auto op = kind == HoldKind::none
                        ? fleet::release_hold(*table_, snapshot, decider, "ana")
                        : fleet::set_hold(*table_, snapshot, decider,
                                          {.kind = kind, .who = "ana", .why = "deploy"});
    SG_ASSERT(store.execute(options_.name, op, store_time()).status == fleet::Status::ok);
  }

  // A person changes how a mapping takes its batches. While it is being updated, its state does not
  // tell whether it is on.
  void set_batch_size(const std::string& uuid, int batch_size) {
    Function& f = functions.at(uuid);
    f.mapping.settings.batch_size = batch_size;
    change(f);
    f.hides_whether_on = true;
  }

  // ---- Running ---------------------------------------------------------------------------------
  // Kills the controller at its `number`th action from now on: before the action has any effect, or
  // after it, so that its answer is lost. Another starts at once.
  struct Kill {
    int number = 0;
    bool after = false;
    bool changes_only = false;  // reads are not counted
  };
  std::optional<Kill> kill;
  int actions = 0;
  int kills = 0;

  void run(Duration time) {
    const Duration end = elapsed_ + time;
    while (elapsed_ < end) {
      step_world();
      for (int i = 0; i < 20; ++i) {
        auto action = reconciler->next_action(now());
        if (!action) {
          shortest_rest = std::min(shortest_rest, reconciler->until_next(now()));
          break;
        }
        pass(kWayOfAnAnswer);
        act(*action);
      }
      for (const Announcement& a : reconciler->take_announcements()) {
        announcements.push_back(a);
        reconciler->announced(a);
      }
      for (const Notice& n : reconciler->take_notices()) {
        log.push_back(
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(elapsed_).count()) +
            " " + n.text);
      }
      pass(kTick);
    }
  }
  bool run_until(const std::function<bool()>& done, Duration most) {
    const Duration end = elapsed_ + most;
    while (!done() && elapsed_ < end) run(kTick);
    return done();
  }

  void start() {
    ++starts_;
    reconciler.emplace(options_, *table_, 1min, fleet::InstanceId{static_cast<unsigned>(starts_)},
                       static_cast<std::uint64_t>(starts_) * 77, now());
  }

  State state() const {
    const auto cell = store.cells().find(options_.name);
    if (cell == store.cells().end()) return State::closed;
    stores::MemoryTable copy = store;
    const auto answer = copy.execute(options_.name, fleet::ReadOp{}, StoreTime{});
    return answer.snapshot.readable() ? answer.snapshot.readable()->state : State::closed;
  }
  bool enabled(const std::string& uuid) const {
    return functions.at(uuid).mapping.settings.enabled;
  }
  std::optional<int> limit(const std::string& uuid) const {
    return functions.at(uuid).mapping.settings.limit;
  }
  std::string told() const {
    std::string text;
    for (const std::string& line : log) text += line + "\n";
    return text;
  }
  Now now() const {
    return {MonoTime(elapsed_), BootTime(elapsed_), WallTime(1'700'000'000s + elapsed_)};
  }
  StoreTime store_time() const {
    return StoreTime{std::chrono::milliseconds{1'700'000'000'000} + floor_ms(elapsed_)};
  }
  Duration elapsed() const { return elapsed_; }

  std::optional<Reconciler> reconciler;

 private:
  void pass(Duration time) { elapsed_ += time; }

  void change(Function& f) {
    ++f.updates;
    f.mapping.changing = true;
    f.hides_whether_on = false;
    f.changes_until = elapsed_ + kToggle;
    f.list_lags_until = elapsed_ + 3s;
  }

  void step_world() {
    keep_kept();
    for (auto& [arn, queue] : queues) queue.expire(elapsed_);
    for (auto& [uuid, f] : functions) {
      const auto found = queues.find(f.mapping.source_arn);
      if (found == queues.end() || !f.mapping.settings.enabled || f.mapping.changing) continue;
      deliver(found->second, f.mapping.settings.limit.value_or(100));
    }
    int calls = 0;
    int limits = 0;
    for (auto& [uuid, f] : functions) {
      if (f.mapping.changing && elapsed_ >= f.changes_until) f.mapping.changing = false;
      if (elapsed_ >= f.list_lags_until) f.listed = f.mapping.settings;
      if (!f.mapping.settings.enabled) continue;
      const int limit = f.mapping.settings.limit.value_or(100);
      limits += limit;
      calls += std::min(limit, backlog);
    }
    limit_max_seen = std::max(limit_max_seen, limits);
    backlog += arriving;
    (healthy ? good_calls : failed_calls) += calls;
    if (healthy) backlog -= std::min(backlog, calls);
    if (calls > 0) datapoints_.push_back({elapsed_, !healthy});
    while (!datapoints_.empty() && datapoints_.front().at + 60s < elapsed_) datapoints_.pop_front();
    const bool failing = std::ranges::any_of(datapoints_, [](const auto& d) { return d.failed; });
    const auto was = alarm_.state;
    alarm_.state = datapoints_.empty() ? AlarmView::State::insufficient_data
                   : failing           ? AlarmView::State::alarm
                                       : AlarmView::State::ok;
    if (alarm_stuck && was == AlarmView::State::alarm) alarm_.state = was;
    if (alarm_.state != was) {
      alarm_.since_ms = to_ms(store_time());
      alarm_.reason = "Threshold Crossed";
    }
  }

  static bool changes(const Action& action) {
    if (const auto* circuit = std::get_if<CircuitAction>(&action)) {
      return !std::holds_alternative<fleet::ReadOp>(circuit->operation);
    }
    return std::visit(
        []<class T>(const T&) {
          return std::is_same_v<T, WriteNoteAction> || std::is_same_v<T, UpdateMappingAction> ||
                 std::is_same_v<T, TagAction> || std::is_same_v<T, UntagAction> ||
                 std::is_same_v<T, SetRetentionAction> || std::is_same_v<T, SetRedriveAction> ||
                 std::is_same_v<T, TrialAction>;
        },
        action);
  }

  void deliver(QueueForTests& queue, int limit) {
    const Duration hidden = queue.attributes.visibility_timeout;
    for (const auto& m : queue.receive(limit, hidden, elapsed_, kWallAtZero)) {
      if (!healthy) continue;
      handled.push_back(m.body);
      queue.remove(m.receipt_handle);
    }
  }

  void act(const Action& action) {
    ++actions;
    const bool dies = kill && (!kill->changes_only || changes(action)) && --kill->number == 0;
    if (dies && !kill->after) return die();
    const auto error = refusal ? refusal(action) : std::nullopt;
    if (error && !dies) {
      std::visit([this, &error](const auto& a) { refuse(a, *error); }, action);
    } else if (!error) {
      std::visit([this, dies](const auto& a) { carry_out(a, dies); }, action);
    }
    if (dies) die();
  }
  void die() {
    kill.reset();
    ++kills;
    kept = KeptMessages();
    start();
  }

  void refuse(const CircuitAction&, const Error& e) { reconciler->circuit_answered(e, now()); }
  void refuse(const ReadNoteAction&, const Error& e) { reconciler->note_answered(e, now()); }
  void refuse(const WriteNoteAction&, const Error& e) { reconciler->note_answered(e, now()); }
  void refuse(const ReadAlarmsAction&, const Error& e) { reconciler->alarms_answered(e, now()); }
  void refuse(const ListMappingsAction&, const Error& e) { reconciler->mappings_listed(e, now()); }
  void refuse(const GetMappingAction&, const Error& e) { reconciler->mapping_answered(e, now()); }
  void refuse(const UpdateMappingAction&, const Error& e) {
    reconciler->mapping_answered(e, now());
  }
  void refuse(const ReadTagsAction&, const Error& e) { reconciler->tags_answered(e, now()); }
  void refuse(const TagAction&, const Error& e) { reconciler->tagged(e, now()); }
  void refuse(const UntagAction&, const Error& e) { reconciler->tagged(e, now()); }
  void refuse(const LookAtQueueAction&, const Error& e) { reconciler->queue_answered(e, now()); }
  void refuse(const SetRetentionAction&, const Error& e) { reconciler->retention_set(e, now()); }
  void refuse(const SetRedriveAction&, const Error& e) { reconciler->redrive_set(e, now()); }
  void refuse(const ParkAction&, const Error& e) {
    reconciler->moved({.trouble = e.message}, now());
  }
  void refuse(const ReturnParkedAction&, const Error& e) {
    reconciler->moved({.trouble = e.message}, now());
  }
  void refuse(const TrialAction&, const Error& e) {
    reconciler->trial_ended({TrialResult::Kind::no_verdict, e.message}, now());
  }

  void carry_out(const CircuitAction& a, bool dies) {
    const auto answer = store.execute(options_.name, a.operation, store_time());
    if (!dies) reconciler->circuit_answered(answer, now());
  }
  void carry_out(const ReadNoteAction&, bool dies) {
    stores::NoteAnswer answer{.note = note};
    answer.note.time = store_time();
    if (!dies) reconciler->note_answered(answer, now());
  }
  void carry_out(const WriteNoteAction& a, bool dies) {
    stores::NoteAnswer answer;
    if (const auto problem = stores::problem_with_note(a.text)) {
      if (!dies) reconciler->note_answered(*problem, now());
      return;
    }
    if (note.revision == a.expected) {
      note = {.revision = a.expected + 1, .text = a.text};
      answer.written = true;
    }
    answer.note = note;
    answer.note.time = store_time();
    if (!dies) reconciler->note_answered(answer, now());
  }
  void carry_out(const ReadAlarmsAction& a, bool dies) {
    Alarms alarms;
    for (const std::string& name : a.names) {
      alarms[name] = alarm_exists ? alarm_ : AlarmView{.state = AlarmView::State::missing};
    }
    Result<Alarms> answer = alarms;
    if (!alarms_readable) answer = Error{"AccessDenied", "no right", false, "monitoring"};
    if (!dies) reconciler->alarms_answered(answer, now());
  }
  void carry_out(const ListMappingsAction& a, bool dies) {
    std::vector<Mapping> found;
    for (const auto& [uuid, f] : functions) {
      if (unlisted.contains(uuid)) continue;
      if (a.selector.text != "all" && a.selector.text != uuid) continue;
      Mapping mapping = f.mapping;
      mapping.settings = f.listed;
      if (mapping.changing && f.hides_whether_on) mapping.settings.enabled = true;
      found.push_back(mapping);
    }
    if (!dies) reconciler->mappings_listed(found, now());
  }
  void carry_out(const GetMappingAction& a, bool dies) {
    if (!dies) reconciler->mapping_answered(mapping_of(a.uuid), now());
  }
  void carry_out(const UpdateMappingAction& a, bool dies) {
    Result<Mapping> answer = mapping_of(a.uuid);
    if (answer && answer->changing) {
      answer = Error{"ResourceInUseException", "in use", true, "lambda"};
    } else if (answer) {
      Function& f = functions.at(a.uuid);
      changed.push_back(a.uuid);
      f.mapping.settings.enabled = a.settings.enabled;
      f.mapping.settings.limit = a.settings.limit;
      if (a.settings.batch_size) f.mapping.settings.batch_size = a.settings.batch_size;
      if (a.settings.window_s) f.mapping.settings.window_s = a.settings.window_s;
      if (a.settings.parallelization_factor) {
        f.mapping.settings.parallelization_factor = a.settings.parallelization_factor;
      }
      change(f);
      answer = f.mapping;
    }
    if (!dies) reconciler->mapping_answered(answer, now());
  }
  void carry_out(const ReadTagsAction& a, bool dies) {
    const auto f = functions.find(a.uuid);
    Result<std::map<std::string, std::string>> answer = gone();
    if (f != functions.end()) answer = f->second.tags;
    if (!dies) reconciler->tags_answered(answer, now());
  }
  void carry_out(const TagAction& a, bool dies) {
    const auto f = functions.find(a.uuid);
    if (f != functions.end()) f->second.tags = a.tags;
    if (!dies) reconciler->tagged(f != functions.end() ? Result<void>() : gone(), now());
  }
  void carry_out(const UntagAction& a, bool dies) {
    const auto f = functions.find(a.uuid);
    if (f != functions.end()) f->second.tags.clear();
    if (!dies) reconciler->tagged(f != functions.end() ? Result<void>() : gone(), now());
  }
  void carry_out(const LookAtQueueAction& a, bool dies) {
    if (const auto found = queues.find(a.arn); found != queues.end()) {
      const QueueForTests& queue = found->second;
      const QueueLook look{.attributes = queue.attributes,
                           .visible = queue.visible(elapsed_),
                           .in_flight = queue.in_flight(elapsed_)};
      if (!dies) reconciler->queue_answered(look, now());
      return;
    }
    QueueLook look{.visible = backlog};
    if (const auto given = waiting.find(a.arn); given != waiting.end())
      look.visible = given->second;
    look.attributes.retention = retention;
    look.attributes.visibility_timeout = visibility_timeout;
    if (max_receive_count > 0) {
      look.attributes.redrive = queue::RedrivePolicy{max_receive_count, "dead"};
    }
    if (!dies) reconciler->queue_answered(look, now());
  }
  void carry_out(const SetRetentionAction& a, bool dies) {
    Result<void> answer;
    if (retention_may_be_set) {
      (queues.contains(a.arn) ? queues.at(a.arn).attributes.retention : retention) = a.retention;
    } else {
      answer = Error{"AccessDenied", "no right", false, "sqs"};
    }
    if (!dies) reconciler->retention_set(answer, now());
  }
  void carry_out(const SetRedriveAction& a, bool dies) {
    Result<void> answer;
    if (redrive_may_be_set) {
      queue::QueueAttributes& attributes = queues.at(a.arn).attributes;
      attributes.redrive = *queue::parse_redrive_policy(a.policy);
      attributes.redrive_text = a.policy;
      ++redrives_set;
    } else {
      answer = Error{"AccessDenied", "no right", false, "sqs"};
    }
    if (!dies) reconciler->redrive_set(answer, now());
  }
  void carry_out(const ParkAction& a, bool dies) {
    QueueForTests& queue = queues.at(a.rule.queue_arn);
    while (auto message = kept.take(a.rule.queue_arn)) {
      queue.hide(message->receipt_handle, elapsed_, elapsed_);
    }
    move(a.rule.queue_arn, [&](const auto& m) { return queue::parked_copy(m, a.rule); }, dies);
  }
  void carry_out(const ReturnParkedAction& a, bool dies) {
    move(
        a.parking_arn, [&](const auto& m) { return queue::returned_copy(m, options_.name); }, dies);
  }
  // Each call of the batch is an action at which the controller may be killed.
  void move(const std::string& from, const queue::Move::Choose& choose, bool dies) {
    if (dies) return;
    queue::Move batch(choose);
    auto step = queue::Move::start();
    QueueForTests& queue = queues.at(from);
    while (!std::holds_alternative<queue::MoveResult>(step)) {
      ++actions;
      const bool killed = kill && --kill->number == 0;
      const bool before = killed && !kill->after;
      if (killed) die();
      if (before) return;
      pass(kWayOfAnAnswer);
      if (const auto* receive = std::get_if<queue::Move::Receive>(&step)) {
        auto messages = queue.receive(10, receive->visibility, elapsed_, kWallAtZero);
        step = batch.received(std::move(messages));
      } else if (const auto* send = std::get_if<queue::Move::Send>(&step)) {
        aws::SendBatchResult sent;
        for (const aws::OutgoingMessage& message : send->messages) {
          if (sends_fail) {
            sent.message_ids.emplace_back(Error{"AccessDenied", "no right", false, "sqs"});
            continue;
          }
          queues.at(send->queue_arn).send(message, elapsed_);
          sent.message_ids.emplace_back("sent");
        }
        step = batch.sent(sent);
      } else {
        aws::BatchResult deleted;
        for (const auto& handle : std::get<queue::Move::Delete>(step).receipt_handles) {
          if (queue.remove(handle)) {
            deleted.errors.emplace_back();
          } else {
            deleted.errors.emplace_back(Error{"ReceiptHandleIsInvalid", "old", false, "sqs"});
          }
        }
        step = batch.deleted(deleted);
      }
      if (killed) return;
    }
    reconciler->moved(std::get<queue::MoveResult>(step), now());
  }
  void carry_out(const TrialAction& a, bool dies) {
    if (queues.contains(a.mapping.source_arn)) {
      const TrialResult result = tried(queues.at(a.mapping.source_arn), a);
      if (!dies) reconciler->trial_ended(result, now());
      return;
    }
    TrialResult result{.kind = TrialResult::Kind::nothing};
    if (backlog > 0) {
      ++trials;
      result.kind = healthy ? TrialResult::Kind::succeeded : TrialResult::Kind::failed;
      result.detail = "the trial message failed";
      if (healthy) --backlog;
    }
    if (!dies) reconciler->trial_ended(result, now());
  }
  // One trial of the queue's messages; the controller is alive throughout.
  TrialResult tried(QueueForTests& queue, const TrialAction& a) {
    constexpr std::chrono::seconds kFunctionTimeout{30};
    Trial trial(a.mapping, queue.attributes, kFunctionTimeout, a.rest, kept, core::Random(1));
    const auto mono = [this] { return MonoTime(elapsed_); };
    TrialStep step =
        kept.must_be_tried(a.mapping.source_arn) ? trial.start_with_kept(mono()) : trial.start();
    while (!std::holds_alternative<TrialResult>(step)) {
      if (const auto* receive = std::get_if<ReceiveScout>(&step)) {
        step = trial.received(queue.receive(1, receive->visibility, elapsed_, kWallAtZero), mono());
      } else if (const auto* invoke = std::get_if<InvokeWithScout>(&step)) {
        ++trials;
        if (healthy) handled.push_back(invoke->message.body);
        step = trial.invoked(aws::Invocation{.function_error = healthy ? "" : "Unhandled"}, mono());
      } else if (const auto* remove = std::get_if<DeleteScout>(&step)) {
        queue.remove(remove->message.receipt_handle);
        step = trial.settled({});
      } else {
        const auto& hide = std::get<HideScout>(step);
        const bool hidden =
            queue.hide(hide.message.receipt_handle, elapsed_ + hide.visibility, elapsed_);
        step = trial.settled(hidden ? Result<void>()
                                    : Error{"MessageNotInflight", "gone", false, "sqs"});
      }
    }
    return std::get<TrialResult>(step);
  }
  void keep_kept() {
    for (const KeptMessages::Due& due : kept.due(MonoTime(elapsed_))) {
      queues.at(due.queue_arn)
          .hide(due.message.receipt_handle, elapsed_ + KeptMessages::kHidden, elapsed_);
    }
    for (const auto& [arn, queue] : queues) {
      reconciler->keeps(arn, kept.kept_for(arn, MonoTime(elapsed_)));
    }
    if (state() != State::closed && state() != State::recovering) return;
    for (auto& [arn, queue] : queues) {
      while (auto message = kept.take(arn)) queue.hide(message->receipt_handle, elapsed_, elapsed_);
    }
  }
  static Error gone() { return {"ResourceNotFoundException", "none", false, "lambda"}; }
  Result<Mapping> mapping_of(const std::string& uuid) const {
    const auto f = functions.find(uuid);
    if (f == functions.end()) return gone();
    Mapping mapping = f->second.mapping;
    if (mapping.changing && f->second.hides_whether_on) mapping.settings.enabled = true;
    return mapping;
  }

  struct Datapoint {
    Duration at{0};
    bool failed = false;
  };
  CircuitOptions options_;
  std::unique_ptr<fleet::PolicyTable> table_;
  Duration elapsed_ = 1000s;
  int starts_ = 0;
  AlarmView alarm_{.state = AlarmView::State::insufficient_data};
  std::deque<Datapoint> datapoints_;
};

}  // namespace switchgear::controller
