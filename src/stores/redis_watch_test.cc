// Push on a cluster: whichever node a process listens to, it hears of every circuit.
#include "stores/redis_watch.h"

#include <gtest/gtest.h>

#include <set>

#include "net/clocks.h"
#include "net/redis_cluster_for_tests.h"
#include "stores/redis_store.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

TEST(RedisWatch, HearsOfCircuitsOnAllNodesOfAClusterAndGoesOnAfterItsConnectionIsLost) {
  net::RedisClusterServers& servers = net::redis_cluster_servers();
  net::Loop loop;
  RedisStore store(loop, *net::redis_address(servers.url()),
                   RedisStoreOptions{.redis = {.command_timeout = 10s}});
  const std::set<std::string> circuits{"a", "b", "c", "d", "e", "f"};
  std::set<std::string> heard;
  store.on_change([&](const std::string& circuit, std::int64_t) { heard.insert(circuit); });
  std::set<std::size_t> owners;
  for (const std::string& circuit : circuits) {
    store.watch(circuit);
    owners.insert(servers.owner(net::redis_slot(store.key(circuit))));
  }
  EXPECT_EQ(owners.size(), 3U);
  // Nobody says when it listens: new epochs until each circuit was heard of.
  std::int64_t epoch = 100;
  const auto hears_of_all = [&] {
    heard.clear();
    const MonoTime end = net::read_clocks().mono + 20s;
    while (heard != circuits && net::read_clocks().mono < end) {
      ++epoch;
      for (const std::string& circuit : circuits) {
        EXPECT_TRUE(ask_remove(loop, store, circuit));
        EXPECT_TRUE(ask(loop, store, circuit, create(full_record(epoch, 1))));
      }
      loop.run_until([&] { return heard == circuits; }, 20ms);
    }
    return heard == circuits;
  };
  EXPECT_TRUE(hears_of_all());
  std::int64_t ended = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    ended += servers.node(i).command({"CLIENT", "KILL", "TYPE", "pubsub"}).integer;
  }
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(hears_of_all());
}

}  // namespace
}  // namespace switchgear::stores
