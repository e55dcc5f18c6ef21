// The behaviours of behaviours.h, one test for each of them and each backend.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <sstream>

#include "net/certificate_for_tests.h"
#include "net/redis_cluster.h"
#include "net/redis_cluster_for_tests.h"
#include "net/redis_server_for_tests.h"
#include "net/tls_front_for_tests.h"
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

const net::RedisServer& shared_server(const std::string& program) {
  static std::map<std::string, std::unique_ptr<net::RedisServer>> servers;
  auto& server = servers[program];
  if (!server) server = std::make_unique<net::RedisServer>(std::vector<std::string>{}, program);
  return *server;
}

// Certificates for both sides, of one CA; the servers' are for the name "localhost" alone.
struct Certificates {
  net::TestCertificate ca{{.names = ""}};
  net::TestCertificate theirs{{.names = "DNS:localhost", .issuer = &ca}};
  net::TestCertificate ours{{.names = "DNS:us", .issuer = &ca}};

  net::TlsFiles of_servers() const { return theirs.files(ca); }
  std::string options() const {
    return "?ca_file=" + net::percent_encode(ca.cert_file()) +
           "&cert_file=" + net::percent_encode(ours.cert_file()) +
           "&key_file=" + net::percent_encode(ours.key_file());
  }
};
const Certificates& certificates() {
  static const Certificates made;
  return made;
}

// A user who may do no more than the documented rules say.
std::vector<std::string> user_of_cluster() {
  return user_with(std::string(kRedisAclRule) + std::string(net::kRedisClusterAclRule));
}

std::string url_with_tls() {
  static const net::RedisTlsServer server(certificates().of_servers(), "yes",
                                          user_with(kRedisAclRule));
  return "rediss://ann:pw@localhost:" + std::to_string(server.port()) + certificates().options();
}
std::string url_of_sentinel() {
  static const net::RedisServer primary;
  static const net::SentinelServer sentinel(primary.port());
  return "redis+sentinel://127.0.0.1:" + std::to_string(sentinel.port()) + "/orders";
}
std::string url_of_sentinel_with_tls() {
  static const net::RedisTlsServer primary(certificates().of_servers(), "yes");
  static const net::SentinelServer sentinel(primary.port(), certificates().of_servers(), "yes");
  return "rediss+sentinel://localhost:" + std::to_string(sentinel.port()) + "/orders" +
         certificates().options();
}
std::string url_of_cluster() {
  static net::RedisClusterServers servers(user_of_cluster());
  return "redis://ann:pw@127.0.0.1:" + std::to_string(servers.node(4).port());
}
std::string url_of_cluster_with_tls() {
  static net::RedisClusterServers servers(user_of_cluster(), certificates().of_servers());
  return "rediss://ann:pw@localhost:" + std::to_string(servers.node(4).tls_port()) +
         certificates().options();
}
// This build of Valkey knows no TLS, so somebody else ends it.
std::string url_of_valkey_with_tls() {
  static const net::RedisServer server({}, "valkey-server");
  static const net::TlsFront front(server.port(), certificates().of_servers());
  return "rediss://localhost:" + std::to_string(front.port()) + certificates().options();
}

// One server for all tests of a backend; their circuits have different names.
const std::map<std::string, std::string (*)()>& redis_urls() {
  static const std::map<std::string, std::string (*)()> all{
      {"redis", [] { return shared_server("redis-server").url(); }},
      {"redis_tls_acl", url_with_tls},
      {"redis_sentinel", url_of_sentinel},
      {"redis_sentinel_tls", url_of_sentinel_with_tls},
      {"redis_cluster", url_of_cluster},
      {"redis_cluster_tls_acl", url_of_cluster_with_tls},
      {"valkey", [] { return shared_server("valkey-server").url(); }},
      {"valkey_tls", url_of_valkey_with_tls}};
  return all;
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
    if (!redis_urls().contains(backend_)) {
      return {dynamodb_store(loop_, backend_), StoreTraits::dynamodb()};
    }
    return {std::make_unique<RedisStore>(
                loop_, net::redis_address(redis_urls().at(backend_)()).value(),
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
  std::vector<std::string> backends{"memory"};
  for (const auto& [name, url] : redis_urls()) backends.push_back(name);
  for (const std::string& kind : aws::dynamodb_server_kinds()) backends.push_back(kind);
  for (const std::string& backend : backends) {
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
