#include "fleet/evidence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <tuple>
#include <vector>

#include "core/mutant.h"

namespace switchgear::fleet {

namespace {

// One report, as far as one rule sees it.
struct Item {
  StoreTime sent;
  StoreTime first;
  std::size_t instance = 0;  // index into a dense list
  double events = 0;         // thinning undone
  int thinning = 0;
};

// A window that grows backwards from its last report.
class Growing {
 public:
  Growing(const TripQuery& query, const Item& last)
      : query_(query),
        share_(share_bound(query.members)),
        thinning_scale_(std::exp2(-last.thinning)),
        last_(last),
        first_(last.first) {}

  void add(const Item& item) {
    first_ = std::min(first_, item.first);
    double& sum = by_instance_[item.instance];
    if (sum == 0) touched_[reporters_++] = item.instance;
    // In units of the last report's thinned stream: an event that stood for 2^j calls there.
    const double events = item.events * thinning_scale_;
    sum += events;
    events_ += events;
    undone_ += item.events;
    ++reports_;
  }

  Window window() const {
    Window w;
    w.need = need(calls());
    w.evidence = bounded(w.need);
    // Sums of fractions: an exact tie must trip, as it does for whole numbers.
    w.trips = w.evidence >= w.need * (1 - 1e-12);
    w.failures = undone_;
    w.reports = reports_;
    w.reporters = static_cast<int>(reporters_);
    w.first = first_;
    w.last = last_.sent;
    return w;
  }

  // This window() has no higher ratio, nor has one that has grown by `events` more: its evidence
  // is no more than this, and its need no less.
  double ratio_at_most(double events) const {
    const double evidence = query_.rule.weight * (events_ + events * thinning_scale_);
    return evidence / need_if(calls(), evidence);
  }

  // Upper limits that cost nothing: all evidence as if there were no bound, and all at the bound.
  bool may_trip() const {
    return query_.rule.weight * events_ >= query_.rule.level * (1 - 1e-12) &&
           share_ * static_cast<double>(reporters_) >= 1 - 1e-12;
  }

 private:
  double calls() const {
    const double elapsed = std::chrono::duration<double>(last_.sent - first_).count();
    return query_.calls_per_second * thinning_scale_ * elapsed;
  }

  // The evidence when no instance supplies more than its share of `need`.
  double bounded(double need) const {
    double sum = 0;
    for (std::size_t i = 0; i < reporters_; ++i) {
      const double most = core::mutant(core::Mutant::share_bound_absolute) ? 25 : share_ * need;
      const double counted = std::min(query_.rule.weight * by_instance_[touched_[i]], most);
      sum = core::mutant(core::Mutant::evidence_of_one_instance) ? std::max(sum, counted)
                                                                 : sum + counted;
    }
    return sum;
  }

  // What is needed when the failures in `counted` evidence are no successes. A failure is a call
  // too, but it drains nothing; the first one opens the window.
  double need_if(double calls, double counted) const {
    return query_.rule.level + std::max(0.0, calls + 1 - counted / query_.rule.weight);
  }

  // Failures beyond an instance's share are no evidence, so they drain like successes. How many
  // those are depends on the need, and the need on them: it is where both agree. There is one such
  // point, since the need falls as more evidence counts and the bound rises with the need. Newton's
  // steps come to it from below and do not pass it, since the evidence is concave in the need; each
  // but the last takes an instance off its bound, so few are made.
  double need(double calls) const {
    double need = need_if(calls, query_.rule.weight * events_);
    for (std::size_t step = 0; step <= reporters_; ++step) {
      double counted = 0;
      double slope = 0;
      for (std::size_t i = 0; i < reporters_; ++i) {
        const double evidence = query_.rule.weight * by_instance_[touched_[i]];
        const bool beyond = evidence > share_ * need;
        counted += beyond ? share_ * need : evidence;
        slope += beyond ? share_ : 0;
      }
      const double missing = need_if(calls, counted) - need;
      if (slope == 0 || missing <= need * 1e-13) break;
      need += missing / (1 + slope / query_.rule.weight);
    }
    return need;
  }

  const TripQuery& query_;
  double share_;
  double thinning_scale_;
  const Item& last_;
  StoreTime first_;
  std::array<double, kReportsMax> by_instance_{};
  std::array<std::size_t, kReportsMax> touched_{};
  std::size_t reporters_ = 0;
  double events_ = 0;
  double undone_ = 0;
  int reports_ = 0;
};

// All that a rule sees of a set of reports, ordered.
struct Items {
  std::vector<InstanceId> instances;
  std::vector<Item> items;
};

Items items_of(std::span<const Report> reports, const TripQuery& query) {
  std::vector<const Report*> sorted;
  for (const Report& r : reports) {
    if (events_of(r, query.evidence) > 0) sorted.push_back(&r);
  }
  // By time, then by identity, so that every instance sees the same order.
  std::sort(sorted.begin(), sorted.end(), [](const Report* a, const Report* b) {
    return std::tie(a->sent, a->instance, a->seq) < std::tie(b->sent, b->instance, b->seq);
  });
  if (sorted.size() > kReportsMax) sorted.erase(sorted.begin(), sorted.end() - kReportsMax);

  Items found;
  auto& [instances, items] = found;
  items.reserve(sorted.size());
  for (const Report* r : sorted) {
    auto it = std::find(instances.begin(), instances.end(), r->instance);
    if (it == instances.end()) it = instances.insert(instances.end(), r->instance);
    items.push_back(
        {.sent = r->sent,
         .first = r->sent - r->span,
         .instance = static_cast<std::size_t>(it - instances.begin()),
         .events = events_of(*r, query.evidence) *
                   (core::mutant(core::Mutant::thinning_not_undone) ? 1 : std::exp2(r->thinning)),
         .thinning = static_cast<int>(r->thinning)});
  }
  return found;
}

// What each instance reported in the run of `count` items that ends before `end`.
std::vector<ReporterShare> shares_of(const Items& found, std::size_t end, std::size_t count) {
  std::vector<ReporterShare> shares;
  for (std::size_t i = end - count; i < end; ++i) {
    const Item& item = found.items[i];
    const InstanceId instance = found.instances[item.instance];
    auto it = std::find_if(shares.begin(), shares.end(),
                           [&](const ReporterShare& s) { return s.instance == instance; });
    if (it == shares.end()) it = shares.insert(shares.end(), {.instance = instance});
    it->failures += item.events;
  }
  std::sort(shares.begin(), shares.end(), [](const ReporterShare& a, const ReporterShare& b) {
    return std::tie(b.failures, a.instance) < std::tie(a.failures, b.instance);
  });
  return shares;
}

}  // namespace

double events_of(const Report& r, Evidence evidence) {
  switch (evidence) {
    case Evidence::failures:
      return static_cast<double>(r.failures) + r.overloads;
    case Evidence::hard_failures:
      return r.failures;
    case Evidence::overloads:
      return r.overloads;
    case Evidence::slow:
      return r.slow;
  }
  return 0;
}

double share_bound(double members) {
  if (members < 1.5 || core::mutant(core::Mutant::share_bound_missing)) return 1;
  return std::clamp(1.4 / members, 0.25, 0.5);
}

std::string Window::text() const {
  char buffer[160];
  if (calls > 0) {
    std::snprintf(buffer, sizeof buffer,
                  "%.0f of about %.0f calls in %.1f s, by %d instance%s; %.0f needed", failures,
                  calls, std::chrono::duration<double>(last - first).count(), reporters,
                  reporters == 1 ? "" : "s", need);
    return buffer;
  }
  std::snprintf(buffer, sizeof buffer,
                "%.0f failures by %d instance%s in %.1f s; evidence %.0f of %.0f needed", failures,
                reporters, reporters == 1 ? "" : "s",
                std::chrono::duration<double>(last - first).count(), evidence, need);
  return buffer;
}

std::optional<Window> weigh(std::span<const Report> reports, const TripQuery& query) {
  if (query.rule.weight <= 0) return std::nullopt;
  const Items found = items_of(reports, query);
  const std::vector<Item>& items = found.items;
  std::vector<double> events_before{0};  // of all items before this one
  for (const Item& item : items) events_before.push_back(events_before.back() + item.events);
  std::optional<Window> best;
  std::size_t best_end = 0;
  for (std::size_t end = items.size(); end > 0; --end) {
    const Item& last = items[end - 1];
    if (last.sent <= query.now - kTripAgeMax) break;
    Growing growing(query, last);
    for (std::size_t i = end; i > 0; --i) {
      growing.add(items[i - 1]);
      // The need of a window is a search; most windows of a quiet fleet are not worth one.
      const double enough = best ? best->ratio() * (1 - 1e-9) : 0;
      if (growing.ratio_at_most(events_before[i - 1]) < enough) break;
      // Only the newest prefix is looked at closely for display; older ones only if they may trip.
      if (end < items.size() && !growing.may_trip()) continue;
      if (growing.ratio_at_most(0) < enough) continue;
      const Window w = growing.window();
      if (!best || (w.trips && !best->trips) ||
          (w.trips == best->trips && w.ratio() > best->ratio())) {
        best = w;
        best_end = end;
      }
    }
    if (best && best->trips) break;
  }
  if (best) best->shares = shares_of(found, best_end, static_cast<std::size_t>(best->reports));
  return best;
}

}  // namespace switchgear::fleet
