#include "fleet/window_rule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <vector>

namespace switchgear::fleet {

namespace {

// One in a million: beyond that nothing would be reported any more.
constexpr int kThinningMax = 20;

using Seconds = std::chrono::duration<double>;

// The events that `calls` need. An estimate of the traffic and a sample of the failures scatter;
// two standard errors are added so that a rate well below the threshold does not trip by chance at
// one of the many times at which it is looked at. `weight`: the calls that a reported event stands
// for.
double needed(double threshold, double calls, double weight) {
  const double error = std::sqrt(threshold * (1 - threshold) * calls * weight);
  return std::min(threshold * calls + 1.5 * error, calls);
}

double seconds_between(StoreTime from, StoreTime to) { return Seconds(to - from).count(); }

// The reports that count, all seen from one end of a window.
class Judge {
 public:
  Judge(std::span<const Report> reports, const WindowQuery& query) : query_(query) {
    std::vector<const Report*> newest;
    for (const Report& r : reports) newest.push_back(&r);
    std::sort(newest.begin(), newest.end(), [](const Report* a, const Report* b) {
      return std::tie(a->sent, a->instance, a->seq) > std::tie(b->sent, b->instance, b->seq);
    });
    if (newest.size() >= kReportsMax) {
      newest.resize(kReportsMax);
      known_since_ = newest.back()->sent;
    }
    for (const Report* r : newest) {
      const double events = events_of(*r, query.evidence) * std::exp2(r->thinning);
      if (events <= 0) continue;
      auto it = std::find(instances_.begin(), instances_.end(), r->instance);
      if (it == instances_.end()) it = instances_.insert(instances_.end(), r->instance);
      items_.push_back({.sent = r->sent,
                        .first = r->sent - r->span,
                        .instance = static_cast<std::size_t>(it - instances_.begin()),
                        .events = events,
                        .weight = std::exp2(r->thinning)});
    }
  }

  // The times at which a window may end.
  std::vector<StoreTime> ends() const {
    std::vector<StoreTime> ends{query_.now};
    for (const Item& item : items_) {
      if (item.sent > query_.now - kTripAgeMax && item.sent < ends.back()) {
        ends.push_back(item.sent);
      }
    }
    return ends;
  }

  Window window(StoreTime end) const {
    const core::WindowRule& rule = query_.rule;
    const bool by_time = rule.type == SlidingWindowType::time;
    const double rate = query_.calls_per_second;
    const double whole =
        std::max(by_time ? rule.size : rule.size / rate, Seconds(kFleetWindowMin).count());
    const double age = std::max(0.0, seconds_between(query_.since, end));
    double length = std::min(whole, age);
    double calls_seconds = length;
    if (known_since_ && known_since_ < end) {
      const double known = seconds_between(*known_since_, end);
      calls_seconds = std::min(length, std::max(known, rule.minimum_calls / rate));
      length = std::min(length, known);
    }
    Window w = count(end, length);
    // An estimate of the traffic that is below what failed of it is wrong.
    w.calls = std::max(rate * calls_seconds, w.failures);
    w.need = needed(query_.threshold, w.calls, weight_);
    w.evidence = bounded(w.need);
    // Sums of fractions: an exact tie must trip, as it does for whole numbers.
    w.trips = w.failures > 0 && w.calls >= rule.minimum_calls * (1 - 1e-12) &&
              w.evidence >= w.need * (1 - 1e-12);
    // Below the minimum the missing calls count as successes, so that the ratio grows steadily.
    w.need = needed(query_.threshold, std::max<double>(w.calls, rule.minimum_calls), weight_);
    w.first = end - std::chrono::round<std::chrono::milliseconds>(Seconds(length));
    w.last = end;
    return w;
  }

 private:
  struct Item {
    StoreTime sent;
    StoreTime first;
    std::size_t instance = 0;
    double events = 0;  // thinning undone
    double weight = 1;  // calls that one reported event stands for
  };

  // Sums up what lies in (end - length, end].
  Window count(StoreTime end, double length) const {
    Window w;
    by_instance_.fill(0);
    double squares = 0;
    for (const Item& item : items_) {
      const double span = seconds_between(item.first, item.sent);
      const double newest = seconds_between(item.sent, end);  // how long ago, seen from the end
      const double oldest = newest + span;
      double part = 0;
      if (span > 0) {
        part = std::max(0.0, std::min(oldest, length) - std::max(newest, 0.0)) / span;
      } else {
        part = newest >= 0 && newest < length ? 1 : 0;
      }
      if (part <= 0) continue;
      double& sum = by_instance_[item.instance];
      w.reporters += sum == 0;
      sum += part * item.events;
      w.failures += part * item.events;
      squares += part * item.events * item.weight;
      w.reports++;
    }
    weight_ = w.failures > 0 ? squares / w.failures : 1;
    return w;
  }

  double bounded(double need) const {
    const double most = share_bound(query_.members) * need;
    double sum = 0;
    for (const double events : by_instance_) sum += std::min(events, most);
    return sum;
  }

  const WindowQuery& query_;
  std::vector<Item> items_;  // newest first
  std::vector<InstanceId> instances_;
  std::optional<StoreTime> known_since_;  // if the set is full
  // Of the window counted last.
  mutable std::array<double, kReportsMax> by_instance_{};
  mutable double weight_ = 1;
};

}  // namespace

std::optional<Window> weigh_window(std::span<const Report> reports, const WindowQuery& query) {
  if (query.threshold <= 0 || query.calls_per_second <= 0) return std::nullopt;
  const Judge judge(reports, query);
  std::optional<Window> best;
  for (const StoreTime end : judge.ends()) {
    const Window w = judge.window(end);
    if (w.failures <= 0) continue;
    if (!best || (w.trips && !best->trips) ||
        (w.trips == best->trips && w.ratio() > best->ratio())) {
      best = w;
    }
    if (best->trips) break;
  }
  return best;
}

int window_thinning(const core::WindowRule& rule, double calls_per_second) {
  const double threshold = std::max(rule.failure_rate, rule.slow_call_rate);
  const double calls =
      rule.type == SlidingWindowType::time ? calls_per_second * rule.size : rule.size;
  int j = 0;
  const auto too_few = [&] {
    const double weight = std::exp2(j);
    return std::max(needed(threshold, rule.minimum_calls, weight), threshold * calls) >
           kReportsMax * weight;
  };
  while (too_few() && j < kThinningMax) ++j;
  return j;
}

}  // namespace switchgear::fleet
