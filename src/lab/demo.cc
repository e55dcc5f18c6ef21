#include "lab/demo.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <ostream>
#include <string>

namespace switchgear::lab {

namespace {

// A virtual minute in about twelve seconds; the run without a circuit four times faster.
constexpr Duration kPaceOfSecond = 200ms;
constexpr Duration kPaceWithout = 50ms;
// The run without a circuit is shown every so many seconds.
constexpr int kStrideWithout = 5;
constexpr int kBarWidth = 24;

std::string format(const char* text, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* text, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, text);
  std::vsnprintf(buffer, sizeof buffer, text, arguments);
  va_end(arguments);
  return buffer;
}

// 12,345
std::string grouped(std::uint64_t n) {
  std::string text = std::to_string(n);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

class Table {
 public:
  Table(const DemoOptions& options, std::ostream& out, const Pace& pace)
      : options_(options), out_(out), pace_(pace) {}

  void line(const std::string& text = "") { out_ << text << "\n"; }

  void heading(const std::string& text) { line(painted("1", text)); }

  void columns() {
    const std::string bar(static_cast<std::size_t>(bar_width()), ' ');
    line(
        painted("2", format("%6s  %-10s %7s %s %8s %5s %6s %7s %6s %6s", "time", "state", "waiting",
                            bar.c_str(), "inflight", "ok/s", "fail/s", "done", "probes", "limit")));
  }

  void second(const OutageSecond& s, int stride) {
    ok_ += s.ok;
    failed_ += s.failed;
    if (s.second % stride != 0) return;
    const double seconds = stride;
    const std::string limit = s.limit > 0 ? format("%.0f", s.limit) : "";
    const std::string probes = s.state == "-" ? "" : std::to_string(s.probes);
    line(format("%4d s  ", s.second) + state(s.state) +
         format(" %7s ", grouped(s.waiting).c_str()) + bar(s.waiting) +
         format(" %8d %5.0f ", s.in_flight, static_cast<double>(ok_) / seconds) +
         number_of_failures(static_cast<double>(failed_) / seconds) +
         format(" %7s %6s %6s", grouped(s.done).c_str(), probes.c_str(), limit.c_str()));
    ok_ = 0;
    failed_ = 0;
    out_.flush();
  }

  void event(const OutageEvent& e) {
    std::string text = format("%8.2f s  ", to_seconds(e.at));
    if (e.epoch == 0) {
      line(painted("1", text + "** " + e.reason + " **"));
      return;
    }
    text += e.from + " -> " + e.to + "  " + e.reason;
    if (!e.why.empty()) text += ": " + e.why;
    line(painted("36", text));
  }

  void pause(Duration d) {
    if (pace_ && !options_.fast) pace_(d);
  }

  std::string painted(const char* code, const std::string& text) const {
    return options_.colour ? std::string("\x1b[") + code + "m" + text + "\x1b[0m" : text;
  }

 private:
  int bar_width() const { return std::clamp(options_.width - 74, 0, kBarWidth); }

  std::string state(const std::string& name) const {
    const char* code = name == "CLOSED"       ? "32"
                       : name == "OPEN"       ? "31"
                       : name == "HALF_OPEN"  ? "33"
                       : name == "RECOVERING" ? "33"
                                              : "0";
    return painted(code, format("%-10s", name.c_str()));
  }

  std::string bar(std::size_t waiting) const {
    const int width = bar_width();
    const int filled =
        std::min(width, static_cast<int>(waiting * static_cast<std::size_t>(width) / 2'500));
    return std::string(static_cast<std::size_t>(filled), '#') +
           std::string(static_cast<std::size_t>(width - filled), ' ');
  }

  std::string number_of_failures(double n) const {
    const std::string text = format("%6.0f", n);
    return n >= 5 ? painted("31", text) : text;
  }

  const DemoOptions& options_;
  std::ostream& out_;
  const Pace& pace_;
  std::uint64_t ok_ = 0;
  std::uint64_t failed_ = 0;
};

OutageResult show(Table& table, const OutageOptions& options, int stride, Duration pace) {
  table.columns();
  return run_outage(options, {.second =
                                  [&](const OutageSecond& s) {
                                    table.second(s, stride);
                                    table.pause(pace);
                                  },
                              .event = [&](const OutageEvent& e) { table.event(e); }});
}

std::string drain_text(const OutageResult& r) {
  return r.drained ? format("%.0f s", r.drain_seconds) : format("not in %.0f s", r.drain_seconds);
}

std::uint64_t lost(const OutageResult& r) {
  const std::uint64_t known = r.done + r.dead_lettered + r.left;
  return r.sent > known ? r.sent - known : 0;
}

void compare(Table& table, const OutageResult& with, const OutageResult& without) {
  const auto row = [&](const char* what, const std::string& a, const std::string& b) {
    table.line(format("  %-34s %16s %16s", what, a.c_str(), b.c_str()));
  };
  row("", "with circuit", "without");
  row("messages sent", grouped(with.sent), grouped(without.sent));
  row("messages done", grouped(with.done), grouped(without.done));
  row("messages dead-lettered", grouped(with.dead_lettered), grouped(without.dead_lettered));
  row("messages lost", grouped(lost(with)), grouped(lost(without)));
  row("messages still waiting at the end", grouped(with.left), grouped(without.left));
  row("failed calls", grouped(with.failed_calls), grouped(without.failed_calls));
  row("probes", grouped(with.probes), "");
  row("trips", std::to_string(with.trips), "");
  row("time to drain after the outage", drain_text(with), drain_text(without));
  row("  ideal", format("%.0f s", with.drain_seconds_ideal),
      format("%.0f s", without.drain_seconds_ideal));
}

void write_json(std::ostream& out, std::uint64_t seed, const OutageResult& with,
                const OutageResult& without) {
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  const auto seconds = [](double s) { return format("%.1f", s); };
  const auto flag = [](bool b) { return std::string(b ? "true" : "false"); };
  const std::vector<std::pair<const char*, std::string>> fields = {
      {"seed", number(seed)},
      {"messages_sent", number(with.sent)},
      {"messages_done", number(with.done)},
      {"messages_dead_lettered", number(with.dead_lettered)},
      {"messages_lost", number(lost(with))},
      {"calls", number(with.calls)},
      {"failed_calls", number(with.failed_calls)},
      {"probes", number(with.probes)},
      {"trips", std::to_string(with.trips)},
      {"drained", flag(with.drained)},
      {"drain_seconds", seconds(with.drain_seconds)},
      {"drain_seconds_ideal", seconds(with.drain_seconds_ideal)},
      {"messages_sent_without_circuit", number(without.sent)},
      {"messages_done_without_circuit", number(without.done)},
      {"messages_dead_lettered_without_circuit", number(without.dead_lettered)},
      {"messages_lost_without_circuit", number(lost(without))},
      {"failed_calls_without_circuit", number(without.failed_calls)},
      {"drained_without_circuit", flag(without.drained)},
      {"drain_seconds_without_circuit", seconds(without.drain_seconds)},
  };
  out << "{";
  const char* separator = "\n";
  for (const auto& [name, value] : fields) {
    out << separator << "  \"" << name << "\": " << value;
    separator = ",\n";
  }
  out << "\n}\n";
}

}  // namespace

OutageOptions demo_outage(std::uint64_t seed, bool circuit) {
  OutageOptions o;
  o.seed = seed;
  o.circuit = circuit;
  o.workers = 4;
  o.arrivals_per_second = 60;
  // 100 calls/s at most. 4 x 50 callers are more than 100/s x 1.5 s: let loose at once, they keep
  // it busy with calls that nobody waits for any more.
  o.dependency = {.servers = 20, .service_mean = 200ms, .exponential = true, .failure_rate = 0.002};
  o.consumer.concurrency = 50;
  o.consumer.handler_timeout = 1500ms;
  o.consumer.backoff = {.base = 1s, .cap = 20s, .jitter = core::Jitter::equal};
  o.policy.open_duration = 1s;
  o.policy.max_open_duration = 3s;
  o.policy.recovery_step = 1s;
  o.policy.recovery_initial_limit = 8;
  o.policy.recovery_quiet_duration = 5s;
  o.max_receive_count = 5;
  o.down_at = 10s;
  o.up_at = 40s;
  o.longest = circuit ? 5min : 2min;
  o.finish = circuit ? 30s : 0s;
  return o;
}

DemoResult run_demo(const DemoOptions& options, std::ostream& out, const Pace& pace) {
  DemoResult result;
  if (options.json) {
    result.with = run_outage(demo_outage(options.seed, true));
    result.without = run_outage(demo_outage(options.seed, false));
    write_json(out, options.seed, result.with, result.without);
    return result;
  }
  Table table(options, out, pace);
  table.heading("Four workers take orders from one queue and call a payment service.");
  table.line(
      "60 orders/s arrive. Each worker has up to 50 calls in flight; the service bears about");
  table.line(
      "100 calls/s. At 10 s it goes down, at 40 s it is back. The workers share one circuit.");
  table.line("Simulated in virtual time, with the code that ships; seed " +
             std::to_string(options.seed) + ".");
  table.line();
  result.with = show(table, demo_outage(options.seed, true), 1, kPaceOfSecond);
  table.line();
  table.heading("The same outage without a circuit:");
  table.line();
  result.without = show(table, demo_outage(options.seed, false), kStrideWithout, kPaceWithout);
  table.line();
  table.heading("Side by side:");
  table.line();
  compare(table, result.with, result.without);
  table.line();
  table.line("Next:");
  table.line("  switchgear worker --help     guard a real queue");
  table.line("  switchgear config schema     every setting, with its default");
  table.line("  README.md                    how it works, and what it promises");
  return result;
}

void write_series(std::ostream& out, const DemoResult& result) {
  out << "run,second,state,waiting,in_flight,ok,failed,done,dead_lettered,probes,limit\n";
  for (const auto& [name, run] :
       {std::pair("with", &result.with), std::pair("without", &result.without)}) {
    for (const OutageSecond& s : run->seconds) {
      out << name << "," << s.second << "," << s.state << "," << s.waiting << "," << s.in_flight
          << "," << s.ok << "," << s.failed << "," << s.done << "," << s.dead_lettered << ","
          << s.probes << "," << format("%.1f", s.limit) << "\n";
    }
  }
}

}  // namespace switchgear::lab
