// Store operations by Switchgear: switchgear_ops URL CA_FILE OPERATION RATE SECONDS. What it reads
// and prints is said in redis_clients.py. One thread, one connection, operations pipelined on it.
//   switchgear_ops URL prepare   makes the circuit, and prints each operation's script, keys and
//                                arguments, for clients that know Redis only
#include <sys/resource.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "net/loop.h"
#include "net/url.h"
#include "stores/redis_answer.h"
#include "stores/redis_store.h"

namespace switchgear::stores {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kCircuit = "payments-api";
constexpr int kReports = 8;

// What a process does while all is well: it looks, and adds to the sums.
std::map<std::string, fleet::Operation> operations() {
  const fleet::ReportOp sums{.epoch = 0,
                             .report = std::nullopt,
                             .meter = {.calls = 10, .active_ms = 500, .members = 1, .hellos = 0},
                             .step = std::nullopt};
  return {{"read", fleet::ReadOp{}}, {"report", sums}};
}

double cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

class Client {
 public:
  explicit Client(const std::string& url) : store_(loop_, address(url)) {}

  fleet::Answer apply(const fleet::Operation& operation) {
    std::optional<Result<fleet::Answer>> answer;
    store_.execute(kCircuit, operation,
                   [&](const Result<fleet::Answer>& given) { answer = given; });
    if (!loop_.run_until([&] { return answer.has_value(); }, 10s)) {
      throw std::runtime_error("no answer");
    }
    if (!*answer) throw std::runtime_error(answer->error().text());
    if ((*answer)->status != fleet::Status::ok) throw std::runtime_error("not carried out");
    return **answer;
  }

  void prepare() {
    fleet::SwapOp create;
    create.next = {.incarnation = 1, .epoch = 1, .revision = 1, .swap_id = 1, .reason = "created"};
    const StoreTime now = apply(create).snapshot.time;
    for (int i = 0; i < kReports; ++i) {
      apply(fleet::ReportOp{.epoch = 1,
                            .report = fleet::Report{.sent = now,
                                                    .instance = {0xa0b1c2d3e4f5},
                                                    .seq = static_cast<std::uint32_t>(i),
                                                    .failures = 1},
                            .meter = {},
                            .step = std::nullopt});
    }
  }

  boost::json::object words() {
    boost::json::object all;
    for (const auto& [name, operation] : operations()) {
      const RedisCall call = redis_call(operation);
      boost::json::array keys;
      for (const char* suffix : {":r", ":e", ":m"}) {
        keys.emplace_back(store_.key(kCircuit) + suffix);
      }
      all[name] = {{"script", call.script->text},
                   {"keys", keys},
                   {"arguments", boost::json::value_from(call.arguments)}};
    }
    return all;
  }

  // At the pace of a clock, whether or not earlier operations are answered. An operation that is
  // due waits for those before it, and this counts.
  boost::json::object run(const fleet::Operation& operation, double rate, double seconds) {
    const auto asked = static_cast<std::size_t>(rate * seconds);
    const std::chrono::duration<double> gap(1 / rate);
    std::vector<double> us;
    us.reserve(asked);
    std::size_t begun = 0;
    std::size_t answered = 0;
    int errors = 0;
    const double cpu_before = cpu_us();
    const auto start = Clock::now();
    const auto due = [&](std::size_t i) {
      return start + std::chrono::duration_cast<Clock::duration>(gap * static_cast<double>(i));
    };
    const auto give_up = start + std::chrono::duration<double>(2 * seconds);
    net::Timer timer;
    const std::function<void()> begin_what_is_due = [&] {
      auto now = Clock::now();
      for (; begun < asked && due(begun) <= now && now < give_up; ++begun, now = Clock::now()) {
        store_.execute(
            kCircuit, operation, [&, at = due(begun)](const Result<fleet::Answer>& answer) {
              if (!answer || answer->status != fleet::Status::ok) ++errors;
              us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - at).count());
              ++answered;
            });
      }
      if (begun < asked && now < give_up) {
        timer = loop_.call_after(due(begun) - now, begin_what_is_due);
      }
    };
    begin_what_is_due();
    const auto is_done = [&] {
      return answered == begun && (begun == asked || Clock::now() >= give_up);
    };
    const bool finished = loop_.run_until(is_done, Duration(std::chrono::seconds(3600)));
    if (!finished) throw std::runtime_error("not all operations were answered");
    return {{"asked", asked},
            {"errors", errors},
            {"cpu_us", cpu_us() - cpu_before},
            {"seconds", std::chrono::duration<double>(Clock::now() - start).count()},
            {"us", boost::json::value_from(us)}};
  }

 private:
  static net::RedisAddress address(const std::string& url) {
    const auto read = net::redis_address(url);
    if (!read) throw std::runtime_error(read.error().text());
    return *read;
  }

  net::Loop loop_;
  RedisStore store_;
};

void prepare(const std::string& url) {
  Client client(url);
  client.prepare();
  std::cout << boost::json::serialize(client.words()) << std::endl;
}

void measure(const std::vector<std::string>& arguments) {
  const bool tls = arguments[0].starts_with("rediss:");
  Client client(arguments[0] + (tls ? "?ca_file=" + net::percent_encode(arguments[1]) : ""));
  const fleet::Operation operation = operations().at(arguments[2]);
  const double rate = std::stod(arguments[3]);
  std::string line;
  std::getline(std::cin, line);  // the words, which the store has of its own
  client.apply(operation);
  const auto warm = client.run(operation, rate, 0.5);
  if (warm.at("errors").as_int64() != 0) throw std::runtime_error("operations failed");
  std::cout << "ready" << std::endl;
  std::getline(std::cin, line);
  const auto found = client.run(operation, rate, std::stod(arguments[4]));
  std::cout << boost::json::serialize(found) << std::endl;
}

}  // namespace
}  // namespace switchgear::stores

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 2 && arguments[1] == "prepare") {
      switchgear::stores::prepare(arguments[0]);
    } else if (arguments.size() == 5) {
      switchgear::stores::measure(arguments);
    } else {
      std::cerr << "usage: switchgear_ops URL CA_FILE OPERATION RATE SECONDS\n"
                   "       switchgear_ops URL prepare\n";
      return 2;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
