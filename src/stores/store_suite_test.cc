// The behaviours of behaviours.h, one test for each of them and each backend.
#include <gtest/gtest.h>

#include <sstream>

#include "net/certificate_for_tests.h"
#include "net/redis_cluster.h"
#include "net/redis_cluster_for_tests.h"
#include "net/redis_server_for_tests.h"
#include "net/url.h"
#include "stores/behaviours.h"
#include "stores/dynamodb_table_for_tests.h"
#include "stores/memory_store.h"
#include "stores/redis_store.h"

namespace switchgear::stores {
namespace {

// Arguments of a server for the user "ann".
std::vector<std::string> user_with(std::string_view rule) {
  std::vector<std::string> user{"--user", "ann", "on", ">pw", "resetchannels"};
  std::istringstream rules{std::string(rule)};
  for (std::string word; rules >> word;) {
    if (word != "+select") user.push_back(word);
  }
  return user;
}

// One server for all tests; their circuits have different names.
std::string redis_url(const std::string& which) {
  if (which == "redis") {
    static const net::RedisServer server;
    return server.url();
  }
  if (which == "valkey") {
    static const net::RedisServer server({}, "valkey-server");
    return server.url();
  }
  if (which == "redis_sentinel") {
    static const net::RedisServer primary;
    static const net::SentinelServer sentinel(primary.port());
    return "redis+sentinel://127.0.0.1:" + std::to_string(sentinel.port()) + "/orders";
  }
  if (which == "redis_cluster") {
    static net::RedisClusterServers servers(
        user_with(std::string(kRedisAclRule) + std::string(net::kRedisClusterAclRule)));
    return "redis://ann:pw@127.0.0.1:" + std::to_string(servers.node(4).port());
  }
  // With a certificate on both sides, and a user who may do no more than the documented rule says.
  static const net::TestCertificate ca({.names = ""});
  static const net::TestCertificate theirs({.names = "DNS:localhost", .issuer = &ca});
  static const net::TestCertificate ours({.names = "DNS:us", .issuer = &ca});
  static const net::RedisTlsServer server(theirs.files(ca), "yes", user_with(kRedisAclRule));
  return "rediss://ann:pw@localhost:" + std::to_string(server.port()) +
         "?ca_file=" + net::percent_encode(ca.cert_file()) +
         "&cert_file=" + net::percent_encode(ours.cert_file()) +
         "&key_file=" + net::percent_encode(ours.key_file());
}

class StoreSuite : public ::testing::Test {
 public:
  StoreSuite(std::string backend, const Behaviour& behaviour)
      : backend_(std::move(backend)), behaviour_(behaviour) {}

 protected:
  void TestBody() override {
    auto [store, traits] = open();
    net::Waiting waiting(loop_);
    Trial trial(waiting, std::move(store), std::move(traits), behaviour_.name);
    behaviour_.run(trial);
    for (const Flaw& flaw : trial.flaws()) {
      ADD_FAILURE_AT(flaw.file.c_str(), static_cast<int>(flaw.line)) << flaw.text;
    }
  }

 private:
  std::pair<std::unique_ptr<Store>, StoreTraits> open() {
    if (backend_ == "memory") {
      return {
          std::make_unique<MemoryStore>(loop_, [this] { return memory_time_; }),
          StoreTraits{.backend = "memory", .advance = [this](auto time) { memory_time_ += time; }}};
    }
    if (backend_ == "ministack" || backend_ == "dynalite") {
      return {dynamodb_store(loop_, backend_), StoreTraits::dynamodb()};
    }
    return {std::make_unique<RedisStore>(
                loop_, net::redis_address(redis_url(backend_)).value(),
                RedisStoreOptions{.redis = {.command_timeout = 10s, .connect_timeout = 10s}}),
            StoreTraits::redis()};
  }

  const std::string backend_;
  const Behaviour& behaviour_;
  net::Loop loop_;
  StoreTime memory_time_ = store_time_ms(1'700'000'000'000);
};

// "StoreSuite.TakesAFreeSlot/redis"
[[maybe_unused]] const bool kRegistered = [] {
  for (const std::string backend : {"memory", "redis", "redis_tls_acl", "redis_sentinel",
                                    "redis_cluster", "valkey", "ministack", "dynalite"}) {
    for (const Behaviour& behaviour : behaviours()) {
      ::testing::RegisterTest("StoreSuite", (behaviour.name + "/" + backend).c_str(), nullptr,
                              nullptr, __FILE__, __LINE__, [backend, &behaviour]() -> StoreSuite* {
                                return new StoreSuite(backend, behaviour);
                              });
    }
  }
  return true;
}();

}  // namespace
}  // namespace switchgear::stores
