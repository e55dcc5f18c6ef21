#include "guard/engine.h"

#include <algorithm>

#include "core/assert.h"
#include "core/name.h"
#include "core/random.h"
#include "guard/transition_feed.h"

namespace switchgear::guard {
namespace {

Error refused(std::string code, std::string message) {
  return Error{.code = std::move(code), .message = std::move(message), .source = "circuit"};
}

// No member needs to be asked more often than this; guards the loop against a timer that is due
// at once, again and again.
constexpr Duration kShortestWait = 1ms;

constexpr std::size_t kRemarksPerMinute = 20;

}  // namespace

Engine::Engine(net::Loop& loop, std::unique_ptr<stores::Store> store, EngineOptions options,
               EngineEvents events)
    : loop_(loop),
      options_(std::move(options)),
      events_(std::move(events)),
      backend_(store->backend()),
      store_(std::move(store)) {
  options_.member.limits = store_->limits();
  store_->on_change([this](const std::string& name, std::int64_t epoch) { changed(name, epoch); });
}

Engine::~Engine() { alive_.reset(); }

Result<fleet::Member*> Engine::add(const std::string& name, const Policy& policy) {
  if (auto checked = check(name, policy); !checked) return checked.error();
  auto seat = make_seat(name, std::make_shared<const fleet::PolicyTable>(policy));
  fleet::Member* member = &seat->member();
  if (auto adopted = adopt(std::move(seat)); !adopted) return adopted.error();
  return member;
}

fleet::Member& Engine::member(const std::string& name) {
  const auto found = circuits_.find(name);
  SG_ASSERT(found != circuits_.end());
  return found->second->seat->member();
}

bool Engine::ready(const std::string& name) {
  const auto found = circuits_.find(name);
  if (found == circuits_.end()) return false;
  return found->second->seat->touch(
      [](fleet::Member& member, const Now&) { return member.record() != nullptr; });
}

std::vector<std::string> Engine::names() const {
  std::vector<std::string> names;
  names.reserve(circuits_.size());
  for (const auto& [name, driven] : circuits_) names.push_back(name);
  return names;
}

Result<void> Engine::check(const std::string& name, const Policy& policy) {
  if (const auto problem = core::problem_with_circuit_name(name)) return refused("name", *problem);
  if (const Problems problems = policy.validate(); !problems.empty()) {
    std::string text = "the policy of " + name + " is not valid";
    for (const Problem& problem : problems) text += "; " + problem.place + ": " + problem.message;
    return refused("policy", text);
  }
  return {};
}

std::shared_ptr<Seat> Engine::make_seat(const std::string& name,
                                        std::shared_ptr<const fleet::PolicyTable> table) const {
  // A circuit that was forgotten and comes back must not repeat the tokens of its first life.
  const std::uint64_t life = seats_made_.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t seed =
      core::hash2(core::hash2(options_.identity.seed, core::fnv1a(name)), life);
  return std::make_shared<Seat>(name, std::move(table), options_.member, options_.identity.instance,
                                seed, options_.clock);
}

Result<void> Engine::adopt(std::shared_ptr<Seat> seat) {
  if (circuits_.contains(seat->name())) {
    return refused("exists", "the circuit " + seat->name() + " has been added already");
  }
  if (circuits_.size() >= options_.circuits_max) {
    return refused("too_many_circuits", "this process has " + std::to_string(circuits_.size()) +
                                            " circuits already, the most it may have; use fewer "
                                            "names or raise circuits_max");
  }
  const auto driven = std::make_shared<Driven>();
  circuits_.emplace(seat->name(), driven);
  driven->seat = std::move(seat);
  if (options_.push && driven->seat->policy().mode != Mode::off) {
    store_->watch(driven->seat->name());
  }
  drive(driven);
  return {};
}

void Engine::changed(const std::string& name, std::int64_t epoch) {
  const auto found = circuits_.find(name);
  if (found == circuits_.end()) return;
  const bool news = found->second->seat->touch(
      [&](fleet::Member& member, const Now&) { return member.heard_of(epoch); });
  if (!news) return;
  ++pushes_heard_;
  drive(found->second);
}

void Engine::poke(const std::string& name) {
  const auto found = circuits_.find(name);
  SG_ASSERT(found != circuits_.end());
  drive(found->second);
}

void Engine::poke(Seat& seat) {
  // A poke may overtake a circuit that was not adopted.
  const auto found = circuits_.find(seat.name());
  if (found != circuits_.end() && found->second->seat.get() == &seat) drive(found->second);
}

void Engine::release(Seat& seat) {
  const auto found = circuits_.find(seat.name());
  if (found == circuits_.end() || found->second->seat.get() != &seat) return;
  store_->release(seat.name());
  found->second->released = true;
  // Those who came and went must not leave a queue that nobody stands in.
  if (found->second->turn) next_turn_ -= gap();
  found->second->timer.cancel();
  circuits_.erase(found);
}

void Engine::drive(const DrivenPtr& driven) {
  struct Step {
    std::optional<fleet::Operation> operation;
    std::vector<fleet::Transition> transitions;
    std::optional<fleet::Transition> first_sight;
    std::vector<RecordRemark> remarks;
  };
  const Step step = driven->seat->touch([&](fleet::Member& member, const Now& now) {
    driven->seat->collect(member, now);
    Step next{.operation = next_operation(*driven, member, now),
              .transitions = member.take_transitions()};
    const Duration turn = driven->turn ? *driven->turn - now.mono : Duration{0};
    arm(driven, now, std::max(member.until_next(now), turn));
    if (!driven->seen && member.record() != nullptr) {
      driven->seen = true;
      next.first_sight = first_sight_of(*member.record(), member.store_time(now));
    }
    next.remarks = remarks_on(*driven, member, now.mono);
    return next;
  });
  if (step.operation) start(driven, *step.operation);
  if (step.first_sight && events_.first_sight) {
    events_.first_sight(driven->seat->name(), *step.first_sight);
  }
  for (const RecordRemark& remark : step.remarks) events_.remark(driven->seat->name(), remark);
  if (!events_.transition) return;
  for (const fleet::Transition& transition : step.transitions) {
    events_.transition(driven->seat->name(), transition);
  }
}

Duration Engine::gap() const {
  return std::chrono::duration_cast<Duration>(1s /
                                              std::max(1.0, options_.store_operations_per_second));
}

// The virtual scheduling of the generic cell rate algorithm (ITU-T I.371): an operation's turn
// comes one gap after the one before it, and whoever is early waits for it.
std::optional<fleet::Operation> Engine::next_operation(Driven& driven, fleet::Member& member,
                                                       const Now& now) {
  if (driven.turn && now.mono < *driven.turn) return std::nullopt;
  next_turn_ = std::max(next_turn_, now.mono - 1s);
  if (!driven.turn && now.mono < next_turn_) {
    if (member.until_next(now) == 0s) driven.turn = std::exchange(next_turn_, next_turn_ + gap());
    return std::nullopt;
  }
  auto operation = member.next_operation(now);
  if (operation && !driven.turn) next_turn_ += gap();
  if (!operation && driven.turn) next_turn_ -= gap();  // nothing was left to do
  driven.turn.reset();
  return operation;
}

// Settings that were changed for a parent differ for each of its keys, of which there may be many.
std::vector<RecordRemark> Engine::remarks_on(Driven& driven, const fleet::Member& member,
                                             MonoTime now) {
  if (!events_.remark) return {};
  if (remarks_since_ == MonoTime::min() || now - remarks_since_ >= 1min) {
    remarks_since_ = now;
    remarks_left_ = kRemarksPerMinute;
  }
  if (remarks_left_ == 0) return {};
  auto remarks = driven.remarks.look(driven.seat->name(), member, *store_, now);
  remarks_left_ -= std::min(remarks_left_, remarks.size());
  return remarks;
}

void Engine::arm(const DrivenPtr& driven, const Now& now, Duration until) {
  if (until == Duration::max()) {
    driven->timer.cancel();
    driven->due = MonoTime::max();
  } else {
    const MonoTime due = now.mono + std::max(until, kShortestWait);
    // A timer that fires too early costs one look; moving it with every poke would cost more.
    if (!driven->timer.pending() || due < driven->due) {
      driven->due = due;
      driven->timer =
          loop_.call_after(due - now.mono, [this, weak = std::weak_ptr<Driven>(driven)] {
            if (const DrivenPtr due_now = weak.lock()) drive(due_now);
          });
    }
  }
  driven->seat->attention_planned(driven->due);
}

void Engine::start(const DrivenPtr& driven, const fleet::Operation& operation) {
  store_->execute(driven->seat->name(), operation,
                  [this, driven, alive = std::weak_ptr<bool>(alive_), sent = now(),
                   name = fleet::name_of(operation)](const Result<fleet::Answer>& answer) {
                    if (!alive.expired()) finished(driven, name, sent, answer);
                  });
}

void Engine::finished(const DrivenPtr& driven, std::string_view operation, const Now& sent,
                      const Result<fleet::Answer>& answer) {
  if (driven->released) {
    const std::string& name = driven->seat->name();
    if (!circuits_.contains(name)) store_->release(name);
    return;
  }
  const bool throttled = !answer && answer.error().code == stores::kThrottled;
  const Now now = driven->seat->touch([&](fleet::Member& member, const Now& at) {
    driven->seat->collect(member, at);
    if (answer) {
      member.answered(*answer, at);
    } else {
      member.store_failed(at, throttled ? fleet::NoAnswer::throttled : fleet::NoAnswer::lost);
    }
    store_up_ = member.store_up();
    return at;
  });
  driven->seat->answered();
  if (events_.store_result) {
    events_.store_result({.circuit = driven->seat->name(),
                          .backend = backend_,
                          .operation = operation,
                          .result = answer ? fleet::to_string(answer->status)
                                           : std::string_view(answer.error().code),
                          .latency = now.mono - sent.mono,
                          .error = answer ? nullptr : &answer.error(),
                          .up = store_up_});
  }
  drive(driven);
}

}  // namespace switchgear::guard
