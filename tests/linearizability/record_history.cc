// Records what clients ask of a store and what they are told: the input of the checker in checker/.
// All clients live on one thread, each with a store object of its own.
//
//   record_history --url redis://127.0.0.1:6379 --output FILE [--seed N] [--broken DEFECT] …
//
// DynamoDB's endpoint, region and credentials come from the environment; its defects are made by a
// proxy (tests/peers/dynamodb_faults.py), since conditions are in the requests.
//
// Ends with 0 when every operation of every client is done, or after SIGTERM those under way, and a
// last read of each circuit.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "broken_store.h"
#include "recorded_client.h"
#include "stores/open.h"
#include "stores/redis_store.h"

namespace {

using namespace switchgear;
using namespace switchgear::linearizability;

struct Options {
  std::string url;
  std::string output;
  std::string name_space = "linearizability";
  std::uint64_t seed = 1;
  int clients = 5;
  Workload workload;
  int pause_ms = 0;
  int lease_min_ms = 60'000;
  int lease_max_ms = 60'000;
  int timeout_ms = 100;
  int limit_s = 50;
  std::string broken;
};

std::string list_of_defects() {
  std::string text = "The store is wrong on purpose:\n";
  for (const Defect& each : defects()) {
    text += "  " + std::string(each.name) + ": " + std::string(each.what) + "\n";
  }
  return text;
}

int usage(const std::string& what) {
  std::cerr << "record_history: " << what << "\n";
  return 2;
}

Result<std::unique_ptr<stores::Store>> store_for(const Options& options, net::Loop& loop,
                                                 std::uint64_t seed) {
  const Duration timeout = std::chrono::milliseconds(options.timeout_ms);
  if (options.url.starts_with("dynamodb:")) {
    return stores::open_store(loop, options.url,
                              {.name_space = options.name_space, .timeout = timeout, .seed = seed});
  }
  const auto address = net::redis_address(options.url);
  if (!address) return address.error();
  const net::RedisOptions redis{
      .command_timeout = timeout,
      .connect_timeout = timeout,
      .reconnect = {.base = 1ms, .cap = 10ms, .jitter = core::Jitter::full},
      .seed = seed};
  if (!options.broken.empty()) {
    return broken_store(loop, *address, options.name_space, redis, options.broken, seed);
  }
  return std::unique_ptr<stores::Store>(std::make_unique<stores::RedisStore>(
      loop, *address, stores::RedisStoreOptions{.name_space = options.name_space, .redis = redis}));
}

int record(const Options& options) {
  History history(options.output);
  if (!history.good()) return usage("cannot write " + options.output);
  net::Loop loop;
  std::vector<std::unique_ptr<RecordedClient>> clients;
  for (int i = 0; i < options.clients; ++i) {
    const std::uint64_t seed = core::hash2(options.seed, 1'000 + static_cast<std::uint64_t>(i));
    auto store = store_for(options, loop, seed);
    if (!store) return usage(store.error().text());
    clients.push_back(std::make_unique<RecordedClient>(loop, std::move(*store), history,
                                                       options.workload, i, options.seed));
  }
  int finished = 0;
  bool done = false;
  for (auto& client : clients) {
    client->start([&] {
      if (++finished == options.clients) clients[0]->read_all([&] { done = true; });
    });
  }
  loop.on_stop_signal([&](int) {
    for (auto& client : clients) client->end();
  });
  if (loop.run_until([&] { return done; }, std::chrono::seconds(options.limit_s))) return 0;
  std::cerr << "record_history: not done within " << options.limit_s << " s: " << finished << " of "
            << options.clients << " clients have ended; is the server still there?\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Records the history of a store under random operations."};
  app.add_option("--url", options.url, "redis://HOST:PORT or dynamodb://TABLE")->required();
  app.add_option("--output", options.output, "file of JSON lines, one an attempt")->required();
  app.add_option("--namespace", options.name_space);
  app.add_option("--seed", options.seed);
  app.add_option("--clients", options.clients)->check(CLI::Range(1, 100));
  app.add_option("--operations", options.workload.operations, "of each client");
  app.add_option("--circuits", options.workload.circuits)->check(CLI::Range(1, 100));
  app.add_option("--slots", options.workload.slots)->check(CLI::Range(1, fleet::kSlotsMax));
  app.add_option("--lease-min-ms", options.lease_min_ms)->check(CLI::PositiveNumber);
  app.add_option("--lease-max-ms", options.lease_max_ms)->check(CLI::PositiveNumber);
  app.add_option("--pause-ms", options.pause_ms, "of each client between two operations")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--repeat", options.workload.repeat, "share of operations that are sent twice");
  app.add_option("--timeout-ms", options.timeout_ms)->check(CLI::PositiveNumber);
  app.add_option("--limit-s", options.limit_s, "gives up after so many seconds");
  std::vector<std::string> names;
  for (const Defect& each : defects()) names.emplace_back(each.name);
  app.add_option("--broken", options.broken, list_of_defects())->check(CLI::IsMember(names));
  app.add_flag_callback(
      "--list-broken",
      [&] {
        for (const std::string& name : names) std::cout << name << "\n";
        throw CLI::Success();
      },
      "prints the names of all defects");
  CLI11_PARSE(app, argc, argv);
  options.workload.pause = std::chrono::milliseconds(options.pause_ms);
  options.workload.lease_min = std::chrono::milliseconds(options.lease_min_ms);
  options.workload.lease_max = std::chrono::milliseconds(options.lease_max_ms);
  if (options.lease_max_ms < options.lease_min_ms) return usage("the longest lease is the shorter");

  return record(options);
}
