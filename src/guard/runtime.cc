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
                       },
                   .remark = [self](const std::string&,
                                    const RecordRemark& remark) { self->report(remark.text); }});
  runtime->thread_ = std::thread([self] { self->loop_.run(); });
  return runtime;
}

Runtime::Runtime(RuntimeOptions options, RuntimeEvents events)
    : options_(std::move(options)),
      events_(std::move(events)),
      notes_(options_.notes_max),
      circuits_(options_.engine.circuits_max, options_.keys_max) {}

Runtime::~Runtime() { close(); }

void Runtime::close() {
  if (closed_.exchange(true)) return;
  {
    const std::lock_guard lock(mutex_);
    circuits_.each([&](const Core& core) {
      core->retire();
      if (core->seat() != nullptr) leaving_.push_back(core);
    });
  }
  // Posted, since a stop that comes before the thread runs the loop would be forgotten.
  loop_.post([this] { leave(); });
  if (thread_.joinable()) thread_.join();
}

void Runtime::leave() {
  for (const Core& core : leaving_) {
    core->seat()->touch([](fleet::Member& member, const Now&) { member.leave(); });
    engine_->poke(*core->seat());
  }
  stop_when_left(engine_->now().mono + kLastWords);
}

void Runtime::stop_when_left(MonoTime deadline) {
  bool left = true;
  for (const Core& core : leaving_) {
    engine_->poke(*core->seat());  // a call that has just ended frees its slot too
    left &= core->seat()->touch([](fleet::Member& member, const Now&) { return member.left(); });
  }
  if (left || engine_->now().mono >= deadline) return loop_.stop();
  leave_timer_ = loop_.call_after(2ms, [this, deadline] { stop_when_left(deadline); });
}

// ---- Any thread -----------------------------------------------------------------------------

Result<Runtime::Core> Runtime::circuit(const std::string& name) {
  return circuit_of(name, nullptr);
}

Result<Runtime::Core> Runtime::circuit(const std::string& name, const Policy& policy) {
  return circuit_of(name, &policy);
}

Result<Runtime::Core> Runtime::circuit_of(const std::string& name, const Policy* policy) {
  const auto known = [&](const CircuitDirectory::Found& found) -> Result<Core> {
    if (policy == nullptr || found.table->policy() == *policy) return found.core;
    return Error{.code = "exists",
                 .message = "the circuit " + name +
                            " is in use with other settings; give the same ones everywhere, or "
                            "ask for it by its name alone",
                 .source = "circuit"};
  };
  Table table;
  {
    const std::lock_guard lock(mutex_);
    if (auto found = circuits_.find(name); found.core) return known(found);
    table = circuits_.inherited(name);
  }
  const Policy wanted = policy != nullptr ? *policy : table ? table->policy() : Policy{};
  // Even where the policy says off, so that this hides no mistake.
  if (auto checked = Engine::check(name, wanted); !checked) return checked.error();
  // Compiling a policy may take milliseconds: not under the lock, and once for all keys.
  if (!table || table->policy() != wanted) {
    table = std::make_shared<const fleet::PolicyTable>(wanted);
  }
  Core core = make(name, table);

  std::vector<Core> forgotten;
  const std::lock_guard lock(mutex_);
  if (auto found = circuits_.find(name); found.core) return known(found);
  const bool room = releasing_.load(std::memory_order_relaxed) < kReleasingMax &&
                    circuits_.make_room(name, forgotten);
  if (!forgotten.empty()) forget(std::move(forgotten));
  if (!room) {
    note_one_too_many(name);
    return beyond_limit_;
  }
  circuits_.add(core, std::move(table));
  if (closed_.load()) {
    core->retire();
  } else if (core->seat() != nullptr) {
    loop_.post([this, core] {
      if (auto adopted = engine_->adopt(core->shared_seat()); !adopted) {
        report(adopted.error().text());
      }
    });
  }
  return core;
}

Runtime::Core Runtime::make(const std::string& name, Table table) {
  if (table->policy().mode == Mode::off) return std::make_shared<CircuitCore>(name);
  return std::make_shared<CircuitCore>(engine_->make_seat(name, std::move(table)),
                                       static_cast<Background&>(*this), options_.circuit);
}

// On the background thread, behind all that was posted while somebody had a handle on them: nothing
// of theirs is on its way any more when they go.
void Runtime::forget(std::vector<Core> forgotten) {
  releasing_.fetch_add(forgotten.size(), std::memory_order_relaxed);
  loop_.post([this, forgotten = std::move(forgotten)] {
    for (const Core& core : forgotten) {
      std::erase(awake_, core.get());
      if (core->seat() != nullptr) engine_->release(*core->seat());
    }
    releasing_.fetch_sub(forgotten.size(), std::memory_order_relaxed);
  });
}

std::size_t Runtime::circuits() const {
  const std::lock_guard lock(mutex_);
  return circuits_.size();
}

std::vector<Runtime::Core> Runtime::keys_of(std::string_view parent) const {
  const std::lock_guard lock(mutex_);
  return circuits_.keys_of(parent);
}

void Runtime::listen(std::shared_ptr<Listener> listener) {
  loop_.post([this, listener = std::move(listener)] {
    feed_.add(listener);
    std::vector<Core> cores;
    {
      const std::lock_guard lock(mutex_);
      circuits_.each([&](const Core& core) {
        if (core->seat() != nullptr) cores.push_back(core);
      });
    }
    for (const Core& core : cores) {
      const auto found = core->seat()->touch([](fleet::Member& member, const Now& now) {
        const fleet::Record* record = member.record();
        return record == nullptr ? std::nullopt
                                 : std::optional(first_sight_of(*record, member.store_time(now)));
      });
      if (found) listener->tell(core->name(), *found, true);
    }
  });
}

void Runtime::note_one_too_many(const std::string& name) {
  if (beyond_.fetch_add(1, std::memory_order_relaxed) > 0) return;
  const std::string text =
      "there is no room for the circuit " + name + ": this process may have " +
      std::to_string(options_.engine.circuits_max) + " circuits (circuits_max), of them " +
      std::to_string(options_.keys_max) + " keys of one parent (keys_max), and none can be " +
      "forgotten; calls of circuits beyond that are not guarded; use fewer names or raise the "
      "limit";
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
  const bool up = result.up;
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
