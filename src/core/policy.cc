#include "core/policy.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "core/random.h"

namespace switchgear {
namespace {

using std::chrono::hours;

// Locale-free, unlike printf: the fingerprint must not depend on where a process runs.
std::string number(double x) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, x, std::chars_format::general, 6).ptr;
  return std::string(text, end);
}
std::string exact(double x) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, x).ptr);
}

std::string percent(double rate) { return number(rate * 100) + "%"; }

// As one writes it in the configuration, in the largest unit that keeps it whole: "1500ms".
std::string duration(Duration d) {
  constexpr std::pair<std::int64_t, std::string_view> kUnits[] = {
      {3'600'000'000'000, "h"}, {60'000'000'000, "m"}, {1'000'000'000, "s"},
      {1'000'000, "ms"},        {1'000, "us"},         {1, "ns"}};
  if (d == Duration::zero()) return "0s";
  for (const auto& [ns, unit] : kUnits) {
    if (d.count() % ns == 0) return std::to_string(d.count() / ns) + std::string(unit);
  }
  return std::to_string(d.count()) + "ns";
}

class Checker {
 public:
  void problem(std::string_view field, const std::string& value, const std::string& rest) {
    problems_.push_back({std::string(field), "is " + value + ", but " + rest});
  }

  // Comparisons are written so that NaN fails them.
  bool open_rate(std::string_view field, double rate, std::string_view example) {
    if (rate > 0 && rate < 1) return true;
    problem(field, percent(rate),
            "must be above 0% and below 100%; write for example " + std::string(example));
    return false;
  }
  bool rate_above(std::string_view field, double rate, bool floor_valid,
                  std::string_view floor_field, double floor) {
    if (!(rate > 0 && rate <= 1)) {
      problem(field, percent(rate), "must be above 0% and at most 100%; write for example 50%");
      return false;
    }
    if (floor_valid && !(rate > floor)) {
      problem(field, percent(rate),
              "must be above " + std::string(floor_field) + " (" + percent(floor) +
                  "); write a rate at which the dependency is better left alone, for example " +
                  percent(floor * 10 <= 1 ? floor * 10 : 1));
      return false;
    }
    return true;
  }
  void in_range(std::string_view field, double value, double low, double high,
                std::string_view example) {
    if (value >= low && value <= high) return;
    problem(field, number(value),
            "must be from " + number(low) + " to " + number(high) + "; write for example " +
                std::string(example));
  }
  void in_range(std::string_view field, int value, int low, int high, std::string_view example) {
    if (value >= low && value <= high) return;
    problem(field, std::to_string(value),
            "must be from " + std::to_string(low) + " to " + std::to_string(high) +
                "; write for example " + std::string(example));
  }
  bool in_range(std::string_view field, Duration value, Duration low, Duration high,
                std::string_view example) {
    if (value >= low && value <= high) return true;
    problem(field, duration(value),
            "must be from " + duration(low) + " to " + duration(high) + "; write for example " +
                std::string(example));
    return false;
  }
  void at_least_as_long(std::string_view field, Duration value, std::string_view other_field,
                        Duration other) {
    if (value >= other) return;
    problem(field, duration(value),
            "must be at least as long as " + std::string(other_field) + " (" + duration(other) +
                "); write " + duration(other) + " or more");
  }
  void telling_apart(std::string_view low_field, double low, std::string_view high_field,
                     double high, Duration interval) {
    // The highest rate that compile() ever assumes: if the rule exists there, it exists anywhere.
    const auto rule = core::compile_cusum(low, high, to_seconds(interval) * 1e6);
    if (rule.level < core::kMaxTripLevel) return;
    problem(low_field, percent(low),
            "no rule can tell that from " + std::string(high_field) + " (" + percent(high) +
                ") and still trip falsely no more than once in " + duration(interval) +
                "; write rates further apart, and an acceptable one well below 50%");
  }

  Problems take() { return std::move(problems_); }

 private:
  Problems problems_;
};

void check_trip(const Policy& p, Checker& check) {
  const bool interval_valid = check.in_range("false_trip_interval", p.false_trip_interval, hours(1),
                                             hours(24 * 36'500), "8760h (a year)");
  const bool expert = p.failure_weight != 0 || p.trip_level != 0;

  const bool low = check.open_rate("acceptable_failure_rate", p.acceptable_failure_rate, "5%");
  const bool high = check.rate_above("unacceptable_failure_rate", p.unacceptable_failure_rate, low,
                                     "acceptable_failure_rate", p.acceptable_failure_rate);
  if (low && high && interval_valid && !expert) {
    check.telling_apart("acceptable_failure_rate", p.acceptable_failure_rate,
                        "unacceptable_failure_rate", p.unacceptable_failure_rate,
                        p.false_trip_interval);
  }

  check.in_range("minimum_outage", p.minimum_outage, 0s, 10min, "1s");
  check.in_range("failure_weight", p.failure_weight, 0, core::kMaxTripLevel, "10");
  check.in_range("trip_level", p.trip_level, 0, core::kMaxTripLevel, "100");
  if (p.failure_weight > 0 && p.trip_level == 0) {
    check.problem("trip_level", "0",
                  "failure_weight is given and one needs the other; write both, or neither to have "
                  "them made from the rates");
  }
  if (p.trip_level > 0 && p.failure_weight == 0) {
    check.problem("failure_weight", "0",
                  "trip_level is given and one needs the other; write both, or neither to have "
                  "them made from the rates");
  }

  const bool slow_low =
      check.open_rate("acceptable_slow_call_rate", p.acceptable_slow_call_rate, "5%");
  const bool slow_high =
      check.rate_above("unacceptable_slow_call_rate", p.unacceptable_slow_call_rate, slow_low,
                       "acceptable_slow_call_rate", p.acceptable_slow_call_rate);
  if (p.slow_call_duration == Duration::zero()) return;
  if (p.slow_call_duration < 1ms) {
    check.problem("slow_call_duration", duration(p.slow_call_duration),
                  "must be at least 1ms; write for example 2s, or 0s for no such rule");
  } else if (p.slow_call_duration >= p.call_timeout && p.call_timeout >= 1ms) {
    check.problem("slow_call_duration", duration(p.slow_call_duration),
                  "must be shorter than call_timeout (" + duration(p.call_timeout) +
                      "), which ends such a call first; write for example " +
                      duration(p.call_timeout * 4 / 5) + ", or 0s for no such rule");
  }
  if (slow_low && slow_high && interval_valid) {
    check.telling_apart("acceptable_slow_call_rate", p.acceptable_slow_call_rate,
                        "unacceptable_slow_call_rate", p.unacceptable_slow_call_rate,
                        p.false_trip_interval);
  }
}

void check_classic(const Policy& p, Checker& check) {
  if (p.rule > Rule::classic) {
    check.problem("rule", std::to_string(static_cast<int>(p.rule)),
                  "must be one of cusum, classic");
  }
  if (p.sliding_window_type > SlidingWindowType::time) {
    check.problem("sliding_window_type", std::to_string(static_cast<int>(p.sliding_window_type)),
                  "must be one of count, time");
  }
  check.in_range("sliding_window_size", p.sliding_window_size, 1, 10'000, "100");
  check.rate_above("failure_rate_threshold", p.failure_rate_threshold, false, "", 0);
  check.rate_above("slow_call_rate_threshold", p.slow_call_rate_threshold, false, "", 0);
  check.in_range("minimum_number_of_calls", p.minimum_number_of_calls, 1, 1'000'000, "100");
}

// A field that belongs to one of the two rules.
struct RuleField {
  std::string_view name;
  bool (*differs)(const Policy&, const Policy&);  // NaN does, as it should
};
template <auto Member>
bool differs(const Policy& a, const Policy& b) {
  return a.*Member != b.*Member;
}
using P = Policy;
constexpr RuleField kCusumFields[] = {
    {"acceptable_failure_rate", differs<&P::acceptable_failure_rate>},
    {"unacceptable_failure_rate", differs<&P::unacceptable_failure_rate>},
    {"false_trip_interval", differs<&P::false_trip_interval>},
    {"failure_weight", differs<&P::failure_weight>},
    {"trip_level", differs<&P::trip_level>},
    {"acceptable_slow_call_rate", differs<&P::acceptable_slow_call_rate>},
    {"unacceptable_slow_call_rate", differs<&P::unacceptable_slow_call_rate>}};
constexpr RuleField kClassicFields[] = {
    {"sliding_window_type", differs<&P::sliding_window_type>},
    {"sliding_window_size", differs<&P::sliding_window_size>},
    {"failure_rate_threshold", differs<&P::failure_rate_threshold>},
    {"slow_call_rate_threshold", differs<&P::slow_call_rate_threshold>},
    {"minimum_number_of_calls", differs<&P::minimum_number_of_calls>}};

void check_open_and_probe(const Policy& p, Checker& check) {
  const bool first = check.in_range("open_duration", p.open_duration, 1ms, hours(24), "5s");
  const bool cap = check.in_range("max_open_duration", p.max_open_duration, 1ms, hours(24), "30s");
  if (first && cap) {
    check.at_least_as_long("max_open_duration", p.max_open_duration, "open_duration",
                           p.open_duration);
  }
  check.in_range("open_jitter", p.open_jitter, 0.0, 0.5, "0.1");
  check.in_range("retry_after_max", p.retry_after_max, 0s, hours(24), "15m");
  check.in_range("probes", p.probes, 1, 32, "1");
  check.in_range("probe_successes", p.probe_successes, 1, 1000, "3");
  check.in_range("call_timeout", p.call_timeout, 1ms, 15min, "10s");
}

void check_recovery(const Policy& p, Checker& check) {
  check.in_range("recovery_step", p.recovery_step, 1s, 10min, "3s");
  check.in_range("recovery_initial_limit", p.recovery_initial_limit, 1.0, 1e6, "2");
  check.in_range("recovery_quiet_duration", p.recovery_quiet_duration, 1s, hours(24), "60s");
}

void check_store(const Policy& p, Checker& check) {
  const bool refresh = check.in_range("view_refresh", p.view_refresh, 1ms, hours(1), "5s");
  const bool trouble =
      check.in_range("view_refresh_in_trouble", p.view_refresh_in_trouble, 1ms, hours(1), "1s");
  if (check.in_range("view_max_age", p.view_max_age, 1ms, hours(24), "15s")) {
    // A view that ages out before its refresh is due would leave the process blind in between.
    if (refresh) {
      check.at_least_as_long("view_max_age", p.view_max_age, "view_refresh", p.view_refresh);
    }
    if (trouble) {
      check.at_least_as_long("view_max_age", p.view_max_age, "view_refresh_in_trouble",
                             p.view_refresh_in_trouble);
    }
  }
  if (p.on_store_failure > OnStoreFailure::last_known) {
    check.problem("on_store_failure", std::to_string(static_cast<int>(p.on_store_failure)),
                  "must be one of allow, refuse, last_known");
  }
  if (p.mode > Mode::off) {
    check.problem("mode", std::to_string(static_cast<int>(p.mode)),
                  "must be one of enforce, observe, off");
  }
}

}  // namespace

Problems Policy::validate() const {
  Checker check;
  check_trip(*this, check);
  check_classic(*this, check);
  check_open_and_probe(*this, check);
  check_recovery(*this, check);
  check_store(*this, check);
  Problems problems = check.take();
  for (Problem& p : rule_contradictions([](std::string_view) { return false; })) {
    problems.push_back(std::move(p));
  }
  return problems;
}

Problems Policy::rule_contradictions(const std::function<bool(std::string_view)>& given) const {
  Problems problems;
  const auto blame = [&](const RuleField& field, const char* why) {
    if (field.differs(*this, Policy{}) || given(field.name)) {
      problems.push_back({std::string(field.name), why});
    }
  };
  if (rule == Rule::classic) {
    for (const RuleField& field : kCusumFields) {
      blame(field,
            "belongs to the rule cusum, but rule is classic; remove it and write "
            "failure_rate_threshold or slow_call_rate_threshold, or remove rule");
    }
  } else {
    for (const RuleField& field : kClassicFields) {
      blame(field,
            "belongs to the rule classic, but rule is cusum (the default); write rule: classic "
            "beside it, or remove it and write unacceptable_failure_rate");
    }
  }
  return problems;
}

std::string Policy::fingerprint() const {
  // Left out: what each process may decide for itself (mode, on_store_failure, strict, the ages of
  // views).
  // The order and the spelling are part of the record's format; "1;" is their version.
  std::string text = "1;";
  for (const double x :
       {acceptable_failure_rate, unacceptable_failure_rate, acceptable_slow_call_rate,
        unacceptable_slow_call_rate, open_jitter, recovery_initial_limit}) {
    text += exact(x) + ';';
  }
  for (const Duration d :
       {false_trip_interval, slow_call_duration, open_duration, max_open_duration, call_timeout,
        recovery_step, recovery_quiet_duration}) {
    text += std::to_string(d.count()) + ';';
  }
  for (const int n : {failure_weight, trip_level, probes, probe_successes, int{recovery_limit}}) {
    text += std::to_string(n) + ';';
  }
  // Settings that came later appear only where they are not at their default, so that a policy
  // which does not use them keeps its fingerprint.
  const Policy defaults;
  const auto later = [&text](const char* name, Duration value, Duration usual) {
    if (value != usual) text += std::string(name) + '=' + std::to_string(value.count()) + ';';
  };
  later("minimum_outage", minimum_outage, defaults.minimum_outage);
  later("retry_after_max", retry_after_max, defaults.retry_after_max);
  // Only where it is in use, so that a record written before there was a choice still agrees.
  if (rule == Rule::classic) {
    text += "classic;" + std::to_string(static_cast<int>(sliding_window_type)) + ';' +
            std::to_string(sliding_window_size) + ';' + exact(failure_rate_threshold) + ';' +
            exact(slow_call_rate_threshold) + ';' + std::to_string(minimum_number_of_calls) + ';';
  }
  constexpr char kHex[] = "0123456789abcdef";
  std::string digits;
  const std::uint64_t hash = core::fnv1a(text);
  for (int shift = 60; shift >= 0; shift -= 4) digits += kHex[(hash >> shift) & 15];
  return digits;
}

}  // namespace switchgear
