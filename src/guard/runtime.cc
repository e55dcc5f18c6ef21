#include "guard/runtime.h"

#include <algorithm>

namespace switchgear::guard {
namespace {

// Successes are counted into the member this often while there are calls.
constexpr Duration kSweepPeriod = 1s;
// The background thread is woken for failures at most once per this time; the evidence itself is
// batched by the member, over 20 to 200 ms.
constexpr Duration kDrainPeriod = 5ms;
// For slots to go back at the end. Whoever holds none does not wait.
constexpr Duration kLastWords = 200ms;

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::start(const MakeStore& make_store, RuntimeOptions options,
                                                RuntimeEvents events) {
  std::unique_ptr<Runtime> runtime(new Runtime(std::move(options), std::move(events)));
  auto store = make_store(runtime->loop_);
  if (!store) return store.error();
  Runtime* self = runtime.get();
  runtime->engine_ = std::make_unique<Engine>(
      runtime->loop_, std::move(*store), runtime->options_.engine,
      EngineEvents{.transition =
                       [self](const std::string& circuit, const fleet::Transition& transition) {
                         self->feed_.tell(circuit, transition, false);
                         if (!self->events_.transition) return;
                         try {
                           self->events_.transition(circuit, transition);
                         } catch (...) {  // NOLINT(bugprone-empty-catch): the user's, see header
                         }
                       },
                   .store_result = [self](const StoreResult& r) { self->store_result(r); },
                   .first_sight =
                       [self](const std::string& circuit, const fleet::Transition& found) {
                         self->feed_.tell(circuit, found, true);
                       }});
  runtime->thread_ = std::thread([self] { self->loop_.run(); });
  return runtime;
}

Runtime::Runtime(RuntimeOptions options, RuntimeEvents events)
    : options_(std::move(options)), events_(std::move(events)), notes_(options_.notes_max) {}

Runtime::~Runtime() { close(); }

void Runtime::close() {
  if (closed_.exchange(true)) return;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : circuits_) {
      entry.core->retire();
      if (entry.core->seat() != nullptr) leaving_.push_back(entry.core->seat());
    }
  }
  // Posted, since a stop that comes before the thread runs the loop would be forgotten.
  loop_.post([this] { leave(); });
  if (thread_.joinable()) thread_.join();
}

void Runtime::leave() {
  for (Seat* seat : leaving_) {
    seat->touch([](fleet::Member& member, const Now&) { member.leave(); });
    engine_->poke(*seat);
  }
  stop_when_left(engine_->now().mono + kLastWords);
}

void Runtime::stop_when_left(MonoTime deadline) {
  bool left = true;
  for (Seat* seat : leaving_) {
    engine_->poke(*seat);  // a call that has just ended frees its slot too
    left &= seat->touch([](fleet::Member& member, const Now&) { return member.left(); });
  }
  if (left || engine_->now().mono >= deadline) return loop_.stop();
  leave_timer_ = loop_.call_after(2ms, [this, deadline] { stop_when_left(deadline); });
}

// ---- Any thread -----------------------------------------------------------------------------

Result<CircuitCore*> Runtime::circuit(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = circuits_.find(name); found != circuits_.end()) {
      return found->second.core.get();
    }
  }
  return circuit(name, Policy{});
}

Result<CircuitCore*> Runtime::circuit(const std::string& name, const Policy& policy) {
  // Validated before anything else, so that `mode: off` hides no mistake.
  auto seat = engine_->make_seat(name, policy);
  if (!seat) return seat.error();
  const std::lock_guard lock(mutex_);
  if (const auto found = circuits_.find(name); found != circuits_.end()) {
    if (found->second.policy == policy) return found->second.core.get();
    return Error{.code = "exists",
                 .message = "the circuit " + name +
                            " is in use with other settings; give the same ones everywhere, or "
                            "ask for it by its name alone",
                 .source = "circuit"};
  }
  if (circuits_.size() >= options_.engine.circuits_max) {
    note_one_too_many(name);
    return &beyond_limit_;
  }
  const bool watched = policy.mode != Mode::off;
  auto core = watched ? std::make_unique<CircuitCore>(*seat, static_cast<Background&>(*this),
                                                      options_.circuit)
                      : std::make_unique<CircuitCore>(name);
  CircuitCore* const made = core.get();
  circuits_.emplace(name, Entry{.core = std::move(core), .policy = policy});
  if (closed_.load()) {
    made->retire();
  } else if (watched) {
    loop_.post([this, seat = std::move(*seat)] {
      if (auto adopted = engine_->adopt(seat); !adopted) report(adopted.error().text());
    });
  }
  return made;
}

void Runtime::listen(std::shared_ptr<Listener> listener) {
  loop_.post([this, listener = std::move(listener)] {
    feed_.add(listener);
    std::vector<Seat*> seats;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [name, entry] : circuits_) {
        if (entry.core->seat() != nullptr) seats.push_back(entry.core->seat());
      }
    }
    for (Seat* seat : seats) {
      const auto found = seat->touch([](fleet::Member& member, const Now& now) {
        const fleet::Record* record = member.record();
        return record == nullptr ? std::nullopt
                                 : std::optional(first_sight_of(*record, member.store_time(now)));
      });
      if (found) listener->tell(seat->name(), *found, true);
    }
  });
}

void Runtime::note_one_too_many(const std::string& name) {
  if (beyond_.fetch_add(1, std::memory_order_relaxed) > 0) return;
  const std::string text = "this process has " + std::to_string(options_.engine.circuits_max) +
                           " circuits, the most it may have; calls of further ones, the first " +
                           "being " + name + ", are not guarded";
  loop_.post([this, text] { report(text); });
}

void Runtime::poke(CircuitCore& circuit) {
  loop_.post([this, &circuit] { engine_->poke(*circuit.seat()); });
}

void Runtime::wake(CircuitCore& circuit) {
  loop_.post([this, &circuit] {
    if (std::find(awake_.begin(), awake_.end(), &circuit) == awake_.end()) {
      awake_.push_back(&circuit);
    }
    arm_sweep();
    engine_->poke(*circuit.seat());
  });
}

bool Runtime::note(const Note& note) {
  if (!notes_.push(note)) return false;
  if (!drain_coming_.load(std::memory_order_acquire) && !drain_coming_.exchange(true)) {
    loop_.post([this] { drain(); });
  }
  return true;
}

// ---- Background thread ----------------------------------------------------------------------

void Runtime::drain() {
  // Bounded, so that calls that fail faster than this thread can count do not keep it here.
  for (std::size_t left = notes_.capacity(); left > 0; --left) {
    const std::optional<Note> note = notes_.pop();
    if (!note) break;
    note->circuit->take(*note);
    if (!note->circuit->in_batch) {
      note->circuit->in_batch = true;
      batch_.push_back(note->circuit);
    }
  }
  const bool idle = batch_.empty();
  for (CircuitCore* circuit : batch_) {
    circuit->in_batch = false;
    engine_->poke(*circuit->seat());
  }
  batch_.clear();
  if (!idle) {
    drain_timer_ = loop_.call_after(kDrainPeriod, [this] { drain(); });
    return;
  }
  drain_coming_.store(false);
  // A note that was pushed just before the flag fell has woken nobody.
  if (const std::optional<Note> missed = notes_.pop()) {
    missed->circuit->take(*missed);
    engine_->poke(*missed->circuit->seat());
    if (!drain_coming_.exchange(true)) {
      drain_timer_ = loop_.call_after(kDrainPeriod, [this] { drain(); });
    }
  }
}

void Runtime::arm_sweep() {
  if (!sweep_timer_.pending()) {
    sweep_timer_ = loop_.call_after(kSweepPeriod, [this] { sweep(); });
  }
}

void Runtime::sweep() {
  ticks_.check();
  std::erase_if(awake_, [this](CircuitCore* circuit) {
    const bool awake = circuit->sweep();
    engine_->poke(*circuit->seat());
    return !awake;
  });
  if (!awake_.empty()) arm_sweep();
}

void Runtime::store_result(const StoreResult& result) {
  const bool up = result.error == nullptr;
  if (store_up_.exchange(up) == up) return;
  report(up ? "the store answers again"
            : "the store does not answer, circuits go on without it: " + result.error->text());
}

void Runtime::report(const std::string& problem) {
  if (!events_.problem) return;
  try {
    events_.problem(problem);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the user's, see header
  }
}

}  // namespace switchgear::guard
