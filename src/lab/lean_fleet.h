// Many processes on one store, leaner than World, since ten thousand processes make fourteen
// thousand calls a second: the shipped fleet::Member and the shipped store in memory, in virtual
// time. Clocks are right, nothing is lost, the way to the store takes 5 ms and a call 100 ms. The
// fleet starts at once, at a random moment of the store's minute, and all it knows of its size and
// rate it has estimated. The same options give the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "core/policy.h"
#include "core/random.h"
#include "fleet/member.h"
#include "lab/local_clocks.h"
#include "stores/memory_store.h"

namespace switchgear::lab {

// Processes whose mean call rates are spread evenly over a logarithmic range.
struct FleetShape {
  int members = 4;
  double rate_low = 0.2;  // calls/s
  double rate_high = 5;
  // A call waits until the one before has ended, as events do in a Lambda environment; else calls
  // come at random, whatever is in flight.
  bool one_call_at_a_time = true;
};
inline FleetShape fast_workers(int members) { return {members, 100, 500, false}; }
inline FleetShape lambda_like(int members) { return {members, 0.2, 5, true}; }

// How a process learns what others have decided.
enum class Reading : unsigned char {
  beside,  // the old view serves while it is refreshed: what ships
  before,  // strict: a call that finds its view older than `view_refresh` waits for a new one
  // Every change reaches every process one way after it. Carried out from outside: a process that
  // was told of an open circuit makes no calls.
  pushed,
};

struct FleetOptions {
  FleetShape shape;
  double background = 0.005;  // failure rate while all is well
  Policy policy;
  Reading reading = Reading::beside;
  fleet::StoreLimits limits{};
  std::uint64_t seed = 1;
  // Whether the minute of calm after the first 65 s is run, whose figures are 0 otherwise.
  bool calm_minute = true;
};

// Copied to go on from one moment in several ways.
class LeanFleet {
 public:
  struct Tables {
    fleet::PolicyTable enforcing;
    fleet::PolicyTable observing;  // for the sick one
  };
  static Tables tables_of(const FleetOptions& options);

  enum class Sick : unsigned char { nobody, busiest, idlest };

  // `tables` outlives the fleet and its copies.
  LeanFleet(const FleetOptions& options, const Tables& tables, Sick sick = Sick::nobody);

  void run_until(TrueTime end);
  void run_for(Duration length) { run_until(now_ + length); }

  // From now on calls fail at this rate, and are counted anew.
  void begin_failing(double rate);
  // From now on every call of the sick one fails.
  void begin_sickness() { sick_now_ = true; }
  // From now on nobody makes a call.
  void fall_silent() { silent_ = true; }

  // Called after each operation that the store has carried out. Copies call the same.
  using Carried = std::function<void(int process, const fleet::Operation&, const LeanFleet&)>;
  void on_operation(Carried carried) { carried_ = std::move(carried); }
  // What the store keeps of the circuit.
  const stores::MemoryTable::Cell& stored() const;
  State state() const;

  TrueTime now() const { return now_; }
  StoreTime store_time() const { return StoreTime{floor_ms(start_ + now_)}; }
  bool opened() const { return opened_at_.has_value(); }
  TrueTime opened_at() const { return *opened_at_; }
  std::uint64_t calls() const { return calls_; }  // that were made
  std::uint64_t refused() const { return refused_; }
  std::uint64_t writes() const { return writes_; }
  std::uint64_t reads() const { return reads_; }
  bool all_stopped() const;
  fleet::FleetEstimate estimate();

 private:
  enum class Kind : unsigned char { call, end, wake, request, reply, told };

  struct Event {
    TrueTime when;
    std::uint64_t sequence;
    int process;
    int call;  // of Kind::end
    Kind kind;
    // The earliest first.
    friend bool operator<(const Event& a, const Event& b) {
      return std::pair(a.when, a.sequence) > std::pair(b.when, b.sequence);
    }
  };

  struct Process {
    fleet::Member member;
    double rate;
    std::optional<fleet::Operation> operation{};
    std::optional<fleet::Answer> answer{};
    TrueTime wake_at{-1};
    TrueTime next_call{0};  // one call at a time: the earliest start of the next
    int waiting = 0;        // calls that wait for a view
  };

  struct Call {
    fleet::Permit permit;
    bool fails = false;
  };

  Process& at(int process) { return processes_[static_cast<std::size_t>(process)]; }
  Now clocks() const;
  void add(TrueTime when, Kind kind, int process, int call = -1);
  Duration gap(int process);
  void handle(const Event& event);
  void call(int who);
  void start(int who, const fleet::Permit& permit);
  void end(int who, int index);
  // This process may go on to its next call.
  void over(int who);
  void pump(int who);
  void request(int who);
  void reply(int who);

  FleetOptions options_;
  core::Random random_;
  Duration start_{0};
  TrueTime now_{0};
  std::uint64_t sequence_ = 0;
  std::priority_queue<Event> events_;
  std::vector<Process> processes_;
  std::vector<Call> in_flight_;
  std::vector<int> free_;
  stores::MemoryTable table_;
  Carried carried_;
  int sick_ = -1;  // nobody
  bool sick_now_ = false;
  bool silent_ = false;
  double failure_rate_ = -1;  // below 0: the background's
  std::optional<TrueTime> opened_at_;
  std::int64_t pushed_epoch_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t reads_ = 0;
};

}  // namespace switchgear::lab
