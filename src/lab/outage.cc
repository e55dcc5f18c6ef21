#include "lab/outage.h"

#include <algorithm>
#include <cmath>

namespace switchgear::lab {

namespace {

WorldOptions world_of(const OutageOptions& o) {
  WorldOptions w;
  w.seed = o.seed;
  w.policy = o.policy;
  w.policy.call_timeout = o.consumer.handler_timeout;
  if (!o.circuit) w.policy.mode = Mode::off;
  w.dependency = o.dependency;
  return w;
}

class Outage : public Observer {
 public:
  Outage(const OutageOptions& options, const OutageWatch& watch)
      : options_(options),
        watch_(watch),
        world_(world_of(options)),
        queue_(world_.scheduler, {.max_receive_count = options.max_receive_count,
                                  .again_after = options.again_after}) {
    world_.observe(*this);
    for (int i = 0; i < options.workers; ++i) {
      workers_.push_back(
          std::make_unique<SimWorker>(world_.scheduler, world_.add_process(), queue_,
                                      world_.dependency, tally_, options.consumer, options.circuit,
                                      core::hash2(options.seed, static_cast<std::uint64_t>(i))));
    }
  }

  OutageResult run() {
    for (std::uint64_t i = 0; i < options_.backlog; ++i) queue_.send();
    for (auto& w : workers_) w->start();
    arrive();
    if (options_.down_at < options_.up_at) {
      world_.scheduler.at(options_.down_at, [this] { go_down(); });
      world_.scheduler.at(options_.up_at, [this] { come_back(); });
    } else {
      recovering_from_ = 0s;
      ideal();
    }
    if (options_.relapse_at < options_.relapse_until) {
      world_.scheduler.at(options_.relapse_at, [this] { relapse(); });
      world_.scheduler.at(options_.relapse_until, [this] { world_.dependency.set_down(Down::no); });
    }
    while (!over()) {
      world_.run_for(1s);
      take_second();
    }
    ending_ = true;
    const TrueTime end = world_.scheduler.now() + options_.finish;
    while (queue_.depth() > 0 && world_.scheduler.now() < end) {
      world_.run_for(1s);
      take_second();
    }
    return finish();
  }

  void answered(Process& process, const fleet::Operation&, const fleet::Answer*) override {
    workers_[static_cast<std::size_t>(process.index())]->circuit_may_have_changed();
    note_transitions(process);
  }

 private:
  void arrive() {
    if (options_.arrivals_per_second <= 0 || ending_) return;
    const double wait = -std::log(1 - world_.random.unit()) / options_.arrivals_per_second;
    world_.scheduler.after(
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait)), [this] {
          if (ending_) return;
          queue_.send();
          arrive();
        });
  }

  void go_down() {
    result_.in_flight_at_outage = tally_.in_flight;
    world_.dependency.set_down(options_.hangs ? Down::black_hole : Down::refusing);
    event({.at = world_.scheduler.now(),
           .epoch = 0,
           .from = "",
           .to = "down",
           .reason = "the payment service goes down",
           .why = ""});
  }

  void come_back() {
    world_.dependency.set_down(Down::no);
    if (options_.weak_servers > 0) {
      world_.dependency.options().servers = options_.weak_servers;
      world_.scheduler.at(options_.weak_until, [this] {
        world_.dependency.options().servers = options_.dependency.servers;
      });
    }
    recovering_from_ = world_.scheduler.now();
    ideal();
    event({.at = world_.scheduler.now(),
           .epoch = 0,
           .from = "",
           .to = "up",
           .reason = "the payment service is back",
           .why = ""});
  }

  void relapse() {
    world_.dependency.set_down(Down::black_hole);
    relapsed_at_ = world_.scheduler.now();
    calls_before_relapse_ = tally_.started;
  }

  void ideal() {
    const double capacity =
        options_.dependency.servers / to_seconds(options_.dependency.service_mean);
    result_.drain_seconds_ideal =
        (static_cast<double>(queue_.depth()) +
         capacity * to_seconds(options_.relapse_until - options_.relapse_at)) /
        (capacity - options_.arrivals_per_second);
  }

  void event(const OutageEvent& e) {
    result_.events.push_back(e);
    if (watch_.event) watch_.event(e);
  }

  void note_transitions(Process& process) {
    for (const fleet::Transition& t : process.member().take_transitions()) {
      if (t.epoch <= last_epoch_) continue;
      last_epoch_ = t.epoch;
      if (t.to == State::open && (t.from == State::closed || t.from == State::recovering)) {
        ++result_.trips;
        if (relapsed_at_ && result_.relapse_reopened_seconds < 0) {
          result_.relapse_reopened_seconds = to_seconds(world_.scheduler.now() - *relapsed_at_);
          result_.relapse_calls = tally_.started - calls_before_relapse_;
        }
      }
      event({.at = world_.scheduler.now(),
             .epoch = t.epoch,
             .from = std::string(to_string(t.from)),
             .to = std::string(to_string(t.to)),
             .reason = t.reason,
             .why = t.why});
    }
  }

  // The newest record that any worker has seen.
  const fleet::Record* newest() {
    const fleet::Record* newest = nullptr;
    for (auto& w : workers_) {
      const fleet::Record* r = w->process().member().record();
      if (r && (!newest ||
                std::pair(r->epoch, r->revision) > std::pair(newest->epoch, newest->revision))) {
        newest = r;
      }
    }
    return newest;
  }

  std::uint64_t probes() {
    std::uint64_t n = 0;
    for (auto& w : workers_) {
      for (const std::uint64_t count : w->process().member().counters().probes) n += count;
    }
    return n;
  }

  // Drained: no more is waiting than the calls of a moment.
  bool drained_now() const {
    const std::size_t held = static_cast<std::size_t>(tally_.in_flight);
    const std::size_t waiting = queue_.depth() - std::min(queue_.depth(), held);
    return static_cast<double>(waiting) <= std::max(10.0, options_.arrivals_per_second * 0.5);
  }

  void take_second() {
    const std::uint64_t failed = tally_.failed + tally_.timed_out;
    const fleet::Record* record = options_.circuit ? newest() : nullptr;
    OutageSecond s;
    s.second = static_cast<int>(world_.scheduler.now() / 1s);
    s.state = record ? std::string(to_string(record->state)) : options_.circuit ? "" : "-";
    s.in_flight = tally_.in_flight;
    s.waiting = queue_.depth() - std::min(queue_.depth(), static_cast<std::size_t>(s.in_flight));
    s.ok = tally_.ok - ok_before_;
    s.failed = failed - failed_before_;
    s.done = queue_.removed();
    s.dead_lettered = queue_.dead_lettered();
    s.probes = probes();
    s.limit = record && record->state == State::recovering ? record->recovery.limit : 0;
    ok_before_ = tally_.ok;
    failed_before_ = failed;
    result_.seconds.push_back(s);
    if (watch_.second) watch_.second(s);
    if (recovering_from_ && !result_.drained && drained_now()) {
      result_.drained = true;
      result_.drain_seconds = to_seconds(world_.scheduler.now() - *recovering_from_);
    }
  }

  bool over() {
    if (world_.scheduler.now() >= options_.longest) return true;
    if (!result_.drained) return false;
    if (options_.stop_when_drained || !options_.circuit) return true;
    const fleet::Record* record = newest();
    return record && record->state == State::closed;
  }

  OutageResult finish() {
    result_.sent = queue_.sent();
    result_.done = queue_.removed();
    result_.dead_lettered = queue_.dead_lettered();
    result_.expired = queue_.expired();
    result_.left = queue_.depth();
    result_.calls = tally_.started;
    result_.failed_calls = tally_.failed + tally_.timed_out;
    result_.probes = probes();
    result_.store_operations = world_.store.operations;
    if (!result_.drained && recovering_from_) {
      result_.drain_seconds = to_seconds(world_.scheduler.now() - *recovering_from_);
    }
    return std::move(result_);
  }

  OutageOptions options_;
  OutageWatch watch_;
  World world_;
  SimQueue queue_;
  CallTally tally_;
  std::vector<std::unique_ptr<SimWorker>> workers_;
  OutageResult result_;
  std::optional<TrueTime> recovering_from_;
  std::int64_t last_epoch_ = 0;
  std::optional<TrueTime> relapsed_at_;
  std::uint64_t calls_before_relapse_ = 0;
  bool ending_ = false;
  std::uint64_t ok_before_ = 0;
  std::uint64_t failed_before_ = 0;
};

}  // namespace

OutageResult run_outage(const OutageOptions& options, const OutageWatch& watch) {
  return Outage(options, watch).run();
}

}  // namespace switchgear::lab
