// Circuits for threads: one background thread that runs the loop, the store and the engine, and
// the circuits that all other threads call.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/result.h"
#include "guard/bounded_queue.h"
#include "guard/circuit_core.h"
#include "guard/circuit_directory.h"
#include "guard/engine.h"
#include "guard/tick_clock.h"
#include "guard/transition_feed.h"
#include "net/loop.h"

namespace switchgear::guard {

struct RuntimeOptions {
  EngineOptions engine;
  CircuitCore::Options circuit;
  // Keyed circuits that one parent may have; see guard/circuit_directory.h.
  std::size_t keys_max = 10'000;
  // Failed calls that may wait for the background thread, at most; more are dropped and counted.
  std::size_t notes_max = 8192;
};

// Called on the background thread. What they throw is swallowed.
struct RuntimeEvents {
  std::function<void(const std::string& circuit, const fleet::Transition&)> transition;
  // Something a person should know: the store is gone or back, too many circuits.
  std::function<void(const std::string&)> problem;
};

using MakeStore = std::function<Result<std::unique_ptr<stores::Store>>(net::Loop&)>;

// circuit() from any thread. The background thread sleeps while no circuit is used.
class Runtime final : private Background {
 public:
  // Starts the thread. The error is the one that `make_store` gave.
  static Result<std::unique_ptr<Runtime>> start(const MakeStore& make_store,
                                                RuntimeOptions options = {},
                                                RuntimeEvents events = {});
  // close(), and then all circuits are gone: nobody may use one any more.
  ~Runtime() override;

  using Core = std::shared_ptr<CircuitCore>;
  // The circuit of this name, made if it is new. Only the runtime ends it, one without a key when
  // it ends itself, one with a key when room is needed and nobody else has a pointer to it. With
  // Mode::off, or beyond the engine's circuits_max or keys_max, one that lets every call pass.
  // Errors: "name", "policy"; "exists" if the name is in use with another policy.
  Result<Core> circuit(const std::string& name, const Policy& policy);
  // The circuit of this name if there is one, else a new one with the policy of its parent if it
  // has a key and the parent is there, else with the default policy.
  Result<Core> circuit(const std::string& name);

  // Tells the listener of every transition from now on, and soon how each circuit stands; both on
  // the background thread.
  void listen(std::shared_ptr<Listener> listener);

  // Stops the thread. Circuits let every call pass from then on. Slots that no call uses are given
  // back first, for 200 ms at most; what cannot be frees itself when its lease ends.
  void close();

  bool store_up() const { return store_up_.load(std::memory_order_relaxed); }
  // Times that a circuit was asked for and there was no room.
  std::uint64_t circuits_refused() const { return beyond_.load(std::memory_order_relaxed); }
  std::size_t circuits() const;
  std::vector<Core> keys_of(std::string_view parent) const;

 private:
  using Table = CircuitDirectory::Table;

  Runtime(RuntimeOptions options, RuntimeEvents events);
  Result<Core> circuit_of(const std::string& name, const Policy* policy);
  Core make(const std::string& name, Table table);
  void forget(std::vector<Core> forgotten);
  void note_one_too_many(const std::string& name);

  // Background, from any thread.
  void poke(CircuitCore& circuit) override;
  void wake(CircuitCore& circuit) override;
  bool note(const Note& note) override;
  double ns_per_tick() const override { return ticks_.ns_per_tick(); }

  // On the background thread.
  void drain();
  void sweep();
  void arm_sweep();
  void store_result(const StoreResult& result);
  void report(const std::string& problem);
  void leave();
  void stop_when_left(MonoTime deadline);

  const RuntimeOptions options_;
  const RuntimeEvents events_;
  TickClock ticks_;
  BoundedQueue<Note> notes_;
  std::atomic<bool> drain_coming_{false};
  std::atomic<bool> store_up_{true};
  std::atomic<std::uint64_t> beyond_{0};
  // Forgotten, but still to be let go by the background thread: names that come faster than that
  // must not fill the memory either.
  static constexpr std::size_t kReleasingMax = 1'000;
  std::atomic<std::size_t> releasing_{0};
  std::atomic<bool> closed_{false};

  mutable std::mutex mutex_;  // of circuits_; taken before a seat's, never after
  mutable CircuitDirectory circuits_;
  const Core beyond_limit_ = std::make_shared<CircuitCore>("(beyond circuits_max)");

  TransitionFeed feed_;

  net::Loop loop_;
  std::unique_ptr<Engine> engine_;
  std::vector<CircuitCore*> awake_;
  std::vector<CircuitCore*> batch_;
  net::Timer sweep_timer_;
  net::Timer drain_timer_;
  net::Timer leave_timer_;
  std::vector<Core> leaving_;  // written once, by close()
  std::thread thread_;
};

}  // namespace switchgear::guard
