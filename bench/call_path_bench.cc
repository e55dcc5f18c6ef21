// What a closed circuit adds to a call: asking before it and counting its success, beside the
// floors that no breaker can go below and the usual ways to build one.
//
//   call/...        try_acquire() + success() of the public API, as the binary does it; and what
//                   call/run runs, bare
//   gate/...        the same inside, with parts left out to show what each costs
//   floor/...       its parts alone
//   beside/...      what else one might do
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <mutex>

#include "guard/circuit_core.h"
#include "guard/gate.h"
#include "guard/tick_clock.h"
#include "net/clocks.h"
#include "switchgear/switchgear.h"

namespace switchgear {
namespace {

// One circuit in memory whose gate is open; made once, used by all threads.
struct Warm {
  explicit Warm(const Policy& policy)
      : circuits(open("memory:")), circuit(circuits.circuit("bench", policy)) {
    const auto call = [&] {
      if (auto permit = circuit.try_acquire()) permit.success();
    };
    while (circuit.status().epoch == 0) call();
    // Long enough for the background thread to know the time-stamp counter's rate.
    const auto until = std::chrono::steady_clock::now() + 2500ms;
    while (std::chrono::steady_clock::now() < until) call();
  }
  Circuits circuits;
  Circuit circuit;
};
const Circuit& plain() {
  static const Warm warm{Policy{}};
  return warm.circuit;
}
const Circuit& timed() {
  static const Warm warm{Policy{.slow_call_duration = 2s}};
  return warm.circuit;
}

void public_call(benchmark::State& state, const Circuit& circuit) {
  for (auto _ : state) {
    auto permit = circuit.try_acquire();
    if (!permit) state.SkipWithError("refused");
    permit.success();
  }
}
void call_closed(benchmark::State& state) { public_call(state, plain()); }
void call_closed_timed(benchmark::State& state) { public_call(state, timed()); }
[[gnu::noinline]] int dependency() {
  benchmark::ClobberMemory();
  return 1;
}
void call_bare(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(dependency());
}
void call_run(benchmark::State& state) {
  const Circuit& circuit = plain();
  for (auto _ : state) {
    benchmark::DoNotOptimize(circuit.run(dependency, [](const Refusal&) { return 0; }));
  }
}

// A gate that a member has opened for as long as it takes: it needs no view where the mode is off.
struct OpenGate {
  OpenGate() : table(Policy{.mode = Mode::off}), member(table, {}, {1}, 1, net::read_clocks()) {
    gate.set_awake(true);
    gate.publish(member, net::read_clocks(), 0);
  }
  fleet::PolicyTable table;
  fleet::Member member;
  guard::Gate gate;
};
OpenGate& open_gate() {
  static OpenGate gate;
  return gate;
}
struct NoClocks {
  static bool before(const guard::Deadlines&) { return true; }
};

template <class Clocks>
void gate_call(benchmark::State& state) {
  guard::Gate& gate = open_gate().gate;
  for (auto _ : state) {
    const std::uint64_t word = gate.enter(Clocks{});
    if (word == 0) state.SkipWithError("refused");
    benchmark::DoNotOptimize(gate.count_success(word));
  }
}
void gate_bare(benchmark::State& state) { gate_call<NoClocks>(state); }
void gate_freeze_check(benchmark::State& state) { gate_call<guard::CoarseClocks>(state); }
void gate_bare_timed(benchmark::State& state) {
  guard::Gate& gate = open_gate().gate;
  for (auto _ : state) {
    const std::uint64_t from = guard::read_ticks();
    const std::uint64_t word = gate.enter(NoClocks{});
    benchmark::DoNotOptimize(guard::read_ticks() - from);
    benchmark::DoNotOptimize(gate.count_success(word));
  }
}

void floor_load_and_sharded_add(benchmark::State& state) {
  static std::atomic<std::uint64_t> word{1};
  static guard::SuccessCounters counters;
  for (auto _ : state) {
    benchmark::DoNotOptimize(word.load(std::memory_order_acquire));
    counters.add(guard::thread_context().number, 0);
  }
}
void floor_two_ticks(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(guard::read_ticks());
    benchmark::DoNotOptimize(guard::read_ticks());
  }
}
void floor_two_coarse_clocks(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(guard::read_coarse(CLOCK_MONOTONIC_COARSE));
    benchmark::DoNotOptimize(guard::read_coarse(CLOCK_REALTIME_COARSE));
  }
}
void beside_mutex_counter(benchmark::State& state) {
  static std::mutex mutex;
  static std::uint64_t counter = 0;
  for (auto _ : state) {
    const std::lock_guard lock(mutex);
    benchmark::DoNotOptimize(++counter);
  }
}
void beside_two_steady_clocks(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::chrono::steady_clock::now());
    benchmark::DoNotOptimize(std::chrono::steady_clock::now());
  }
}

BENCHMARK(call_closed)->Name("call/closed")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(call_closed_timed)->Name("call/closed_timed")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(call_bare)->Name("call/bare")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(call_run)->Name("call/run")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(gate_bare)->Name("gate/bare")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(gate_bare_timed)->Name("gate/bare_timed")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(gate_freeze_check)->Name("gate/freeze_check")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(floor_load_and_sharded_add)
    ->Name("floor/load_and_sharded_add")
    ->ThreadRange(1, 2)
    ->UseRealTime();
BENCHMARK(floor_two_ticks)->Name("floor/two_ticks")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(floor_two_coarse_clocks)
    ->Name("floor/two_coarse_clocks")
    ->ThreadRange(1, 2)
    ->UseRealTime();
BENCHMARK(beside_mutex_counter)->Name("beside/mutex_counter")->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(beside_two_steady_clocks)
    ->Name("beside/two_steady_clocks")
    ->ThreadRange(1, 2)
    ->UseRealTime();

}  // namespace
}  // namespace switchgear
