// One process of a fleet over the public library, told what to do on stdin; one line each way.
//
//   scenario_client STORE CIRCUIT [NAME=VALUE...]     policy and options; see kSettings
//
//   acquire            {"permit":1,"us":3} or {"refused":"open","state":"OPEN","us":3}
//   may_start ID       {"may_start":true}
//   finish ID OUTCOME  {}
//   dependency HOW     success, failure, or hang: how the calls of `calls` end
//   fails_from MS      success until this time (Unix, in ms), then failure: for all at once
//   calls RATE         makes so many calls a second from a thread of its own until told otherwise
//   status             all that this process sees of the circuit, and what its calls came to
//
// "dependency hang" leaves calls out until it is told otherwise; then they end so.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "switchgear/switchgear.h"

namespace {

using Clock = std::chrono::steady_clock;
using switchgear::Duration;
using switchgear::Outcome;
using switchgear::Policy;

int fail(const std::string& text) {
  std::cerr << text << "\n";
  return 2;
}

template <auto member, class Unit>
void set_time(Policy& policy, double value) {
  policy.*member = std::chrono::duration_cast<Duration>(Unit(1) * value);
}
template <auto member>
void set_number(Policy& policy, double value) {
  using T = std::remove_reference_t<decltype(policy.*member)>;
  policy.*member = static_cast<T>(value);
}
using ms = std::chrono::milliseconds;
const std::map<std::string, void (*)(Policy&, double)> kSettings{
    {"failure_weight", set_number<&Policy::failure_weight>},
    {"trip_level", set_number<&Policy::trip_level>},
    {"acceptable_failure_rate", set_number<&Policy::acceptable_failure_rate>},
    {"unacceptable_failure_rate", set_number<&Policy::unacceptable_failure_rate>},
    {"probes", set_number<&Policy::probes>},
    {"probe_successes", set_number<&Policy::probe_successes>},
    {"open_jitter", set_number<&Policy::open_jitter>},
    {"open_ms", set_time<&Policy::open_duration, ms>},
    {"max_open_ms", set_time<&Policy::max_open_duration, ms>},
    {"call_timeout_ms", set_time<&Policy::call_timeout, ms>},
    {"recovery_step_ms", set_time<&Policy::recovery_step, ms>},
    {"quiet_ms", set_time<&Policy::recovery_quiet_duration, ms>},
    {"view_refresh_ms", set_time<&Policy::view_refresh, ms>},
    {"view_max_age_ms", set_time<&Policy::view_max_age, ms>},
};

// The calls that this process makes by itself.
class Caller {
 public:
  explicit Caller(const switchgear::Circuit& circuit)
      : circuit_(circuit), thread_([this] { run(); }) {}
  ~Caller() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void set_rate(double per_second) {
    {
      const std::lock_guard lock(mutex_);
      rate_ = per_second;
    }
    changed_.notify_all();
  }
  void set_dependency(const std::string& how) {
    const std::lock_guard lock(mutex_);
    hangs_ = how == "hang";
    if (hangs_) return;
    outcome_ = how == "success" ? Outcome::success : Outcome::failure;
    for (auto& permit : hanging_) end(permit);
    hanging_.clear();
  }

  void set_fails_from(std::chrono::system_clock::time_point when) {
    const std::lock_guard lock(mutex_);
    fails_from_ = when;
  }

  void write(std::ostream& out) {
    const std::lock_guard lock(mutex_);
    std::sort(took_us_.begin(), took_us_.end());
    const auto at = [&](double share) {
      return took_us_.empty() ? 0.0
                              : took_us_[static_cast<std::size_t>(
                                    share * static_cast<double>(took_us_.size() - 1))];
    };
    out << "\"asked\":" << asked_ << ",\"made\":" << made_ << ",\"local\":" << local_
        << ",\"hanging\":" << hanging_.size() << ",\"acquire_us_median\":" << at(0.5)
        << ",\"acquire_us_p99\":" << at(0.99) << ",\"acquire_us_max\":" << at(1);
  }

 private:
  void end(switchgear::Permit& permit) {
    const bool fails = std::chrono::system_clock::now() >= fails_from_;
    permit.finish(fails ? Outcome::failure : outcome_);
  }

  void run() {
    std::unique_lock lock(mutex_);
    Clock::time_point due = Clock::now();
    while (!ended_) {
      if (rate_ <= 0) {
        changed_.wait(lock);
        due = Clock::now();
        continue;
      }
      const auto gap = std::chrono::duration<double>(1 / rate_);
      // What was missed while this process stood still is not made up for.
      due = std::max(due, Clock::now() - std::chrono::milliseconds(100));
      if (Clock::now() < due) {
        changed_.wait_until(lock, due);
        continue;
      }
      due += std::chrono::duration_cast<Clock::duration>(gap);
      call();
    }
  }

  void call() {
    const auto before = Clock::now();
    auto permit = circuit_.try_acquire();
    const auto took = std::chrono::duration<double, std::micro>(Clock::now() - before).count();
    ++asked_;
    if (took_us_.size() < 1'000'000) took_us_.push_back(took);
    if (!permit) {
      local_ += permit.refusal().reason == switchgear::RefusalReason::local;
      return;
    }
    ++made_;
    if (hangs_) {
      hanging_.push_back(std::move(permit));
    } else {
      end(permit);
    }
  }

  switchgear::Circuit circuit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  bool hangs_ = false;
  Outcome outcome_ = Outcome::success;
  std::chrono::system_clock::time_point fails_from_ = std::chrono::system_clock::time_point::max();
  double rate_ = 0;
  std::uint64_t asked_ = 0;
  std::uint64_t made_ = 0;
  std::uint64_t local_ = 0;
  std::vector<double> took_us_;
  std::vector<switchgear::Permit> hanging_;
  std::thread thread_;
};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + '"';
}

class Session {
 public:
  Session(switchgear::Circuits& circuits, const switchgear::Circuit& circuit)
      : circuits_(circuits), circuit_(circuit), caller_(circuit) {}

  // The answer to one line.
  std::string answer(const std::string& line) {
    std::istringstream in(line);
    std::ostringstream out;
    std::string word;
    in >> word;
    out << "{";
    if (word == "acquire") {
      acquire(out);
    } else if (word == "may_start") {
      int id = 0;
      in >> id;
      out << "\"may_start\":" << (permits_.at(id).may_start() ? "true" : "false");
    } else if (word == "finish") {
      int id = 0;
      std::string outcome;
      in >> id >> outcome;
      permits_.at(id).finish(switchgear::outcome_from_string(outcome).value());
      permits_.erase(id);
    } else if (word == "dependency") {
      std::string how;
      in >> how;
      caller_.set_dependency(how);
    } else if (word == "fails_from") {
      std::int64_t unix_ms = 0;
      in >> unix_ms;
      caller_.set_fails_from(std::chrono::system_clock::time_point(ms(unix_ms)));
    } else if (word == "calls") {
      double rate = 0;
      in >> rate;
      caller_.set_rate(rate);
    } else if (word == "status") {
      status(out);
    } else {
      out << "\"error\":" << quoted("unknown command " + word);
    }
    out << "}";
    return out.str();
  }

 private:
  void acquire(std::ostream& out) {
    const auto before = Clock::now();
    auto permit = circuit_.try_acquire();
    const auto took = std::chrono::duration<double, std::micro>(Clock::now() - before).count();
    if (permit) {
      out << "\"permit\":" << ++last_;
      permits_.emplace(last_, std::move(permit));
    } else {
      out << "\"refused\":\"" << to_string(permit.refusal().reason) << "\",\"state\":\""
          << to_string(permit.refusal().state) << "\"";
    }
    out << ",\"us\":" << took;
  }

  void status(std::ostream& out) {
    const switchgear::CircuitStatus s = circuit_.status();
    out << "\"state\":\"" << to_string(s.state) << "\",\"epoch\":" << s.epoch
        << ",\"view_age_ms\":" << std::chrono::duration_cast<ms>(s.view_age).count()
        << ",\"blind\":" << (s.blind ? "true" : "false")
        << ",\"store_up\":" << (circuits_.store_up() ? "true" : "false")
        << ",\"unreadable\":" << quoted(s.unreadable) << ",\"succeeded\":" << s.succeeded
        << ",\"failed\":" << s.failed << ",\"refused\":" << s.refused << ",\"probes\":" << s.probes
        << ",\"late\":" << s.late << ",\"evidence_dropped\":" << s.evidence_dropped << ",";
    caller_.write(out);
  }

  switchgear::Circuits& circuits_;
  switchgear::Circuit circuit_;
  std::map<int, switchgear::Permit> permits_;
  int last_ = 0;
  Caller caller_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return fail("usage: scenario_client STORE CIRCUIT [NAME=VALUE...]");
  Policy policy;
  switchgear::Options options;
  for (int i = 3; i < argc; ++i) {
    const std::string setting = argv[i];
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) return fail("no NAME=VALUE: " + setting);
    const std::string name = setting.substr(0, equals);
    const std::string value = setting.substr(equals + 1);
    if (name == "name_space") {
      options.name_space = value;
    } else if (name == "first_view_wait_ms") {
      options.first_view_wait = ms(std::stoi(value));
    } else if (name == "store_timeout_ms") {
      options.store_timeout = ms(std::stoi(value));
    } else if (const auto found = kSettings.find(name); found != kSettings.end()) {
      found->second(policy, std::stod(value));
    } else {
      return fail("unknown setting " + name);
    }
  }
  try {
    auto circuits = switchgear::open(argv[1], options);
    Session session(circuits, circuits.circuit(argv[2], policy));
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << session.answer(line) << std::endl;
    }
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
