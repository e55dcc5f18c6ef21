#include "stores/diagnosis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <utility>

#include "net/clocks.h"
#include "net/reach.h"
#include "stores/dynamodb_diagnosis.h"
#include "stores/redis_diagnosis.h"

namespace switchgear::stores {
namespace {

constexpr int kReads = 200;
constexpr int kReadsMin = 10;
constexpr Duration kReadsFor = 2s;
constexpr std::size_t kCircuitsMax = 500;  // read at the most
constexpr std::size_t kNamesShown = 5;
// AWS refuses signatures by a clock that is off by more.
constexpr Duration kSignatureAge = 5min;
constexpr Duration kClockError = 1s;

std::string hex(std::uint64_t number) {
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, number >>= 4) {
    *digit = "0123456789abcdef"[number & 15];
  }
  return text;
}

Duration magnitude(Duration d) { return d < 0s ? -d : d; }

}  // namespace

std::string names_text(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kNamesShown) {
    text += " and " + std::to_string(names.size() - kNamesShown) + " more";
  }
  return text;
}

std::string time_text(Duration time) {
  const double ms = std::chrono::duration<double, std::milli>(time).count();
  std::array<char, 40> text{};
  if (std::abs(ms) >= 1000) {
    std::snprintf(text.data(), text.size(), "%.3g s", ms / 1000);
  } else {
    std::snprintf(text.data(), text.size(), "%.*f ms", std::abs(ms) < 10 ? 2 : 0, ms);
  }
  return text.data();
}

Examination::Examination(net::Waiting& waiting, Store& store, const DiagnosisOptions& options)
    : waiting_(waiting),
      store_(store),
      options_(options),
      circuit_("switchgear.doctor." + hex(options.random)) {}

void Examination::add(std::vector<Finding> findings) {
  std::ranges::move(findings, std::back_inserter(result_.findings));
}
void Examination::ok(std::string check, std::string found) {
  result_.findings.push_back({std::move(check), Grade::ok, std::move(found)});
}
void Examination::warning(std::string check, std::string found, std::string fix) {
  result_.findings.push_back({std::move(check), Grade::warning, std::move(found), std::move(fix)});
}
void Examination::error(std::string check, std::string found, std::string fix) {
  result_.findings.push_back({std::move(check), Grade::error, std::move(found), std::move(fix)});
}
void Examination::not_checked(std::string check, std::string why) {
  result_.findings.push_back({std::move(check), Grade::not_checked, std::move(why)});
}
void Examination::look(const std::string& what) const {
  if (options_.progress) options_.progress(what);
}

std::vector<Finding> Examination::apart(const std::function<void()>& part) {
  std::vector<Finding> others = std::exchange(result_.findings, {});
  part();
  return std::exchange(result_.findings, std::move(others));
}

Result<fleet::Answer> Examination::execute(const std::string& circuit,
                                           const fleet::Operation& operation) {
  return waiting_.wait_for<fleet::Answer>(
      store_.backend(), [&](auto done) { store_.execute(circuit, operation, std::move(done)); });
}

void Examination::not_reached(const Error& error, const std::string& login_fix) {
  result_.reached = false;
  const std::string place = options_.host + ":" + std::to_string(options_.port);
  const auto found = [&] {
    // Without a host there is nobody to try.
    if (options_.host.empty()) return Result<std::string>(std::string());
    return waiting_.wait_for<std::string>("reach", [&](auto done) {
      net::reach(waiting_.loop(), options_.host, options_.port, 3s, std::move(done));
    });
  }();
  if (!found && found.error().code == "dns") {
    this->error("DNS",
                "nobody knows the host " + options_.host + " (" + found.error().message + ")",
                "check the host's name, and that this machine may ask a name server that knows it "
                "(a private name is known in its VPC only)");
  } else if (!found && found.error().code == "refused") {
    ok("DNS", options_.host + " is known");
    this->error("TCP", place + " refuses the connection: nobody listens there",
                "start the server, or check host and port in the store's URL");
  } else if (!found) {
    this->error("TCP", "no connection to " + place + ": " + found.error().message,
                "let this machine through to port " + std::to_string(options_.port) +
                    ": security group, firewall, route; a Lambda function has to be in the VPC of "
                    "the store");
  } else {
    if (!found->empty()) ok("TCP", *found + " accepts connections");
    not_answered(error, login_fix);
  }
  not_checked("everything else", "the store is not reached");
}

void Examination::not_answered(const Error& error, const std::string& login_fix) {
  if (error.code == "tls") {
    this->error("TLS", error.message,
                "check that the port speaks TLS, that the host's name is the certificate's, and "
                "that its authority is trusted here");
  } else if (error.code == "auth" || error.code == "credentials") {
    this->error("login", error.message, login_fix);
  } else if (error.code == "timeout") {
    this->error("answer", error.message,
                "the server takes connections and does not answer: see whether it is busy or "
                "stopped, and whether the port speaks TLS while the URL does not, or the reverse");
  } else {
    this->error("answer", error.text(),
                "check that the store's URL names the right server, its port and its protocol");
  }
}

void Examination::judge_clock(Duration ahead, Duration uncertainty, bool signs) {
  const std::string found =
      "the store's clock is " +
      (magnitude(ahead) <= uncertainty
           ? "as this machine's, within " + time_text(uncertainty)
           : time_text(magnitude(ahead)) + (ahead > 0s ? " ahead of" : " behind") +
                 " this machine's, give or take " + time_text(uncertainty));
  const Duration at_least = magnitude(ahead) - uncertainty;
  const std::string fix =
      "set the clock of whichever of the two is wrong, by NTP (chrony, systemd-timesyncd; on AWS "
      "169.254.169.123)";
  if (signs && at_least > kSignatureAge) {
    error("clock", found + "; AWS refuses requests that were signed by such a clock", fix);
  } else if (at_least > kClockError) {
    warning("clock",
            found +
                "; circuits go by the store's clock and are right all the same, but times in "
                "logs are not",
            fix);
  } else {
    ok("clock", found);
  }
}

void Examination::measure_latency() {
  look("latency");
  std::vector<Duration> times;
  std::string failure;
  int failed = 0;
  const MonoTime end = net::read_clocks().mono + kReadsFor;
  for (int i = 0; i < kReads; ++i) {
    const MonoTime before = net::read_clocks().mono;
    if (i >= kReadsMin && before > end) break;
    const auto answer = execute(circuit_, fleet::ReadOp{});
    if (waiting_.stopped()) return;
    if (answer) {
      times.push_back(net::read_clocks().mono - before);
    } else {
      ++failed;
      failure = answer.error().text();
      if (times.empty()) break;
    }
  }
  if (times.empty()) {
    return not_checked("latency", "no read came back: " + failure);
  }
  std::ranges::sort(times);
  const Duration p50 = times[times.size() / 2];
  const Duration p99 = times[std::min(times.size() - 1, times.size() * 99 / 100)];
  const std::string found = "a read takes " + time_text(p50) + " (p50), " + time_text(p99) +
                            " (p99), " + time_text(times.back()) + " at most, of " +
                            std::to_string(times.size()) + "; the budget is " +
                            time_text(options_.budget) + ", the time-out " +
                            time_text(options_.timeout);
  const std::string nearer =
      "bring the store nearer: the same region and zone, no VPN in between; look at its load (on "
      "Redis SLOWLOG GET and LATENCY DOCTOR)";
  if (failed > 0) {
    error("latency", std::to_string(failed) + " reads failed (" + failure + "); " + found, nearer);
  } else if (p99 > options_.timeout) {
    error("latency", found + ": processes take such answers for lost", nearer);
  } else if (p50 > options_.budget) {
    warning("latency",
            found + ": a first call does not wait for its view, and goes by on_store_failure",
            nearer);
  } else {
    ok("latency", found);
  }
}

void Examination::look_at_circuits(const SizeOf& size, std::size_t bytes_max) {
  look("circuits");
  const auto names = waiting_.wait_for<std::vector<std::string>>(
      store_.backend(), [&](auto done) { store_.list(std::move(done)); });
  if (!names) return not_checked("circuits", "they cannot be listed: " + names.error().text());
  std::vector<std::string> unreadable;
  std::vector<std::string> differ;
  std::string why;
  std::size_t read = 0;
  std::size_t largest = 0;
  std::string largest_name;
  std::size_t ours = 0;
  for (const std::string& name : *names) {
    if (waiting_.stopped()) return;
    if (name.starts_with(circuit_)) continue;
    if (++ours > kCircuitsMax) continue;
    const auto answer = execute(name, fleet::ReadOp{});
    if (!answer) {
      return not_checked("circuits", name + " cannot be read: " + answer.error().text());
    }
    ++read;
    if (!answer->snapshot.record) continue;  // gone since
    if (const auto* record = answer->snapshot.readable()) {
      if (options_.fingerprint && !record->fingerprint.empty() &&
          record->fingerprint != options_.fingerprint(name)) {
        differ.push_back(name);
      }
    } else {
      unreadable.push_back(name);
      why = answer->snapshot.record->error().message + " (" + store_.record_place(name) + ")";
    }
    if (!size) continue;
    if (const auto bytes = size(name); bytes && *bytes > largest) {
      largest = *bytes;
      largest_name = name;
    }
  }
  const std::string of_all =
      ours > read ? ", of " + std::to_string(ours) + " the first " + std::to_string(read) : "";
  if (unreadable.empty()) {
    ok("circuits", ours == 0 ? "none yet" : std::to_string(ours) + " can be read" + of_all);
  } else {
    error("circuits",
          names_text(unreadable) +
              " cannot be read, so that every process leaves it alone and "
              "decides by itself: " +
              why,
          "use the version that wrote it, or remove it: switchgear circuits reset " +
              unreadable.front() + " --forget");
  }
  if (!differ.empty()) {
    warning("settings",
            names_text(differ) + (differ.size() == 1 ? " was" : " were") +
                " last written by other settings than this machine's",
            "give a circuit the same settings in every process (of a worker its handler's time "
            "limit is one of them); see switchgear circuits explain " +
                differ.front());
  } else if (options_.fingerprint && read > 0) {
    ok("settings", "this machine's are those that the circuits were written by");
  }
  if (size && largest > bytes_max) {
    warning("item size",
            largest_name + " takes " + std::to_string(largest) + " bytes, more than the " +
                std::to_string(bytes_max) + " of a circuit with all that it may hold",
            "somebody else writes to " + store_.record_place(largest_name) +
                ": look at its attributes in the console; every write of the circuit pays for all "
                "of them");
  } else if (size && read > 0) {
    ok("item size", "the largest takes " + std::to_string(largest) + " bytes, at most " +
                        std::to_string(bytes_max) + " are normal");
  }
}

Diagnosis diagnose(net::Waiting& waiting, Store& store, const DiagnosisOptions& options) {
  Examination examination(waiting, store, options);
  if (auto* redis = dynamic_cast<RedisStore*>(&store)) {
    examine(examination, *redis);
  } else if (auto* dynamodb = dynamic_cast<DynamoDbStore*>(&store)) {
    examine(examination, *dynamodb);
  } else {
    examination.measure_latency();
    examination.look_at_circuits();
  }
  // Whatever way the examination ended, also by Ctrl-C, which `waiting` would end at once.
  for (const std::string& circuit : examination.written()) {
    net::Waiting last(waiting.loop());
    const auto removed = last.wait_for<void>(
        store.backend(), [&](auto done) { store.remove(circuit, std::move(done)); });
    if (!removed) {
      examination.not_checked("clean-up",
                              store.record_place(circuit) +
                                  " stays until it goes by itself: " + removed.error().text());
    }
  }
  return examination.result();
}

}  // namespace switchgear::stores
