// AWS Powertools' rule, as its sources have it at general availability: one record, a cache of
// whole seconds in each process, and writes when the state changes. Calls come and last as in
// LeanFleet; the way to the table takes no time.
#include <cmath>
#include <optional>
#include <queue>
#include <vector>

#include "core/random.h"
#include "lab/capacity.h"
#include "lab/capacity_meter.h"

namespace switchgear::lab {
namespace {

constexpr Duration kCallTime = 100ms;
constexpr int kFailureThreshold = 5;
constexpr int kSuccessThreshold = 3;
constexpr std::int64_t kRecoveryTimeout = 30;
constexpr std::int64_t kCacheAge = 5;
constexpr int kNobody = -1;
constexpr CapacityUnits kRead{.writes = 0, .reads = 0.5};
constexpr CapacityUnits kWrite{.writes = 1, .reads = 0};
constexpr std::size_t kItemBytes = 200;

struct Record {
  State state = State::closed;
  std::int64_t opened_at = 0;
  int owner = kNobody;
  std::int64_t lease_ends = 0;
};

// Copied to go on from one moment in several ways.
class PowertoolsFleet {
 public:
  PowertoolsFleet(const FleetShape& shape, double background, std::uint64_t seed)
      : shape_(shape), failure_rate_(background), random_(core::hash2(seed, 0x706f776572)) {
    processes_.resize(static_cast<std::size_t>(shape.members));
    for (int i = 0; i < shape.members; ++i) {
      at(i).rate = shape.rate_low * std::pow(shape.rate_high / shape.rate_low, random_.unit());
      events_.push({.when = gap(i), .sequence = sequence_++, .process = i});
    }
  }

  void run_for(Duration length) {
    const TrueTime end = now_ + length;
    while (!events_.empty() && events_.top().when <= end) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.when;
      if (event.what == Event::What::call) {
        if (!silent_) call(event.process);
      } else {
        finish(event.process, event.what == Event::What::end_of_probe);
      }
    }
    now_ = end;
  }

  void fail_at(double rate) { failure_rate_ = rate; }
  void fall_silent() { silent_ = true; }
  State state() const { return stored_.state; }
  CapacityPhase end(Duration length) { return meter_.end(length, calls_, refused_); }

 private:
  struct Event {
    enum class What : unsigned char { call, end, end_of_probe };
    TrueTime when;
    std::uint64_t sequence;
    int process;
    What what = What::call;
    friend bool operator<(const Event& a, const Event& b) {
      return std::pair(a.when, a.sequence) > std::pair(b.when, b.sequence);
    }
  };
  struct Process {
    double rate = 1;
    std::optional<Record> cached{};
    std::int64_t cached_until = 0;
    State last_seen = State::closed;
    int failures = 0;
    int successes = 0;
    TrueTime next_call{0};
  };

  Process& at(int process) { return processes_[static_cast<std::size_t>(process)]; }
  std::int64_t second() const { return std::chrono::floor<std::chrono::seconds>(now_).count(); }
  TrueTime gap(int process) {
    const double seconds = -std::log(1 - random_.unit()) / at(process).rate;
    return now_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }

  void cache(Process& p, const Record& record) {
    p.cached = record;
    p.cached_until = second() + kCacheAge;
  }
  void write(Process& p, const Record& record) {
    meter_.use(now_, kWrite, kItemBytes);
    stored_ = record;
    cache(p, record);
  }

  void call(int who) {
    Process& p = at(who);
    if (shape_.one_call_at_a_time) {
      p.next_call = gap(who);
    } else {
      events_.push({.when = gap(who), .sequence = sequence_++, .process = who});
    }
    if (!p.cached || second() >= p.cached_until) {
      meter_.use(now_, kRead, kItemBytes);
      cache(p, stored_);
    }
    const Record seen = *p.cached;
    const State before = std::exchange(p.last_seen, seen.state);
    bool probes = false;
    if (seen.state == State::closed) {
      if (before != State::closed) p.failures = 0;
    } else if (seen.state == State::open) {
      probes = second() >= seen.opened_at + kRecoveryTimeout && elected(who, seen.opened_at);
    } else {
      probes = seen.owner == who || (second() >= seen.lease_ends && elected(who, seen.opened_at));
    }
    if (seen.state != State::closed && !probes) {
      ++refused_;
      return over(who);
    }
    ++calls_;
    events_.push({.when = now_ + kCallTime,
                  .sequence = sequence_++,
                  .process = who,
                  .what = probes ? Event::What::end_of_probe : Event::What::end});
  }

  // A write whose condition fails is paid for as well.
  bool elected(int who, std::int64_t opened_at) {
    const bool free =
        stored_.state == State::open && stored_.owner == kNobody && stored_.opened_at == opened_at;
    const bool expired = stored_.state == State::half_open && stored_.lease_ends <= second();
    if (!free && !expired) {
      meter_.use(now_, kWrite, kItemBytes);
      return false;
    }
    write(at(who), {.state = State::half_open,
                    .opened_at = opened_at,
                    .owner = who,
                    .lease_ends = second() + kRecoveryTimeout});
    return true;
  }

  void finish(int who, bool probe) {
    Process& p = at(who);
    const bool failed = random_.chance(failure_rate_);
    const Record open{.state = State::open, .opened_at = second()};
    if (probe && failed) {
      p.successes = 0;
      write(p, open);
    } else if (probe) {
      if (++p.successes >= kSuccessThreshold) {
        p.successes = 0;
        p.failures = 0;
        write(p, {});
      }
    } else if (!failed) {
      p.failures = 0;
    } else if (++p.failures >= kFailureThreshold) {
      p.failures = 0;
      write(p, open);
    }
    over(who);
  }

  void over(int who) {
    if (!shape_.one_call_at_a_time) return;
    events_.push(
        {.when = std::max(now_, at(who).next_call), .sequence = sequence_++, .process = who});
  }

  FleetShape shape_;
  double failure_rate_;
  core::Random random_;
  TrueTime now_{0};
  std::uint64_t sequence_ = 0;
  std::priority_queue<Event> events_;
  std::vector<Process> processes_;
  Record stored_;
  CapacityMeter meter_;
  bool silent_ = false;
  std::uint64_t calls_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace

CapacityFigures measure_powertools(const CapacityOptions& options) {
  PowertoolsFleet fleet(options.shape, options.background, options.seed);
  CapacityFigures figures;
  fleet.run_for(kStart);
  figures.start = fleet.end(kStart);
  {
    PowertoolsFleet calm = fleet;
    calm.run_for(kMinute);
    figures.healthy = calm.end(kMinute);
  }
  {
    PowertoolsFleet idle = fleet;
    idle.fall_silent();
    idle.run_for(options.idle);
    figures.idle = idle.end(options.idle);
  }
  fleet.fail_at(options.failing);
  fleet.run_for(options.outage);
  figures.opened = fleet.state() != State::closed;
  figures.outage = fleet.end(options.outage);
  fleet.fail_at(options.background);
  fleet.run_for(kAfter);
  figures.after = fleet.end(kAfter);
  figures.closed = fleet.state() == State::closed;
  return figures;
}

}  // namespace switchgear::lab
