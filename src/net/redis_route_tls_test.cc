// A cluster and Sentinels behind TLS, with certificates made here: redirects and failovers lead to
// the ports that speak it, by the names that certificates are for, and each server is verified.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/certificate_for_tests.h"
#include "net/redis_client_for_tests.h"
#include "net/redis_cluster_for_tests.h"
#include "net/redis_route.h"
#include "net/redis_server_for_tests.h"
#include "net/url.h"

namespace switchgear::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Certificates {
  TestCertificate ca{{.names = ""}};
  // For the name alone: whoever connects to an address is refused.
  TestCertificate theirs{{.names = "DNS:localhost", .issuer = &ca}};
  TestCertificate ours{{.names = "DNS:us", .issuer = &ca}};
  TestCertificate strange_ca{{.names = ""}};
  TestCertificate strange{{.names = "DNS:localhost", .issuer = &strange_ca}};

  TlsFiles of_servers() const { return theirs.files(ca); }
  std::string options(const TestCertificate& trusted) const {
    return "?ca_file=" + percent_encode(trusted.cert_file()) +
           "&cert_file=" + percent_encode(ours.cert_file()) +
           "&key_file=" + percent_encode(ours.key_file());
  }
};

const Certificates& certificates() {
  static const Certificates made;
  return made;
}

RedisClusterServers& servers() {
  static RedisClusterServers cluster({}, certificates().of_servers());
  return cluster;
}

class RedisRouteTlsTest : public RedisClientTest {
 protected:
  std::unique_ptr<RedisRoute> route_to(const std::string& where, const TestCertificate& trusted,
                                       Duration timeout = 5s) {
    const auto address = redis_address(where + certificates().options(trusted));
    EXPECT_TRUE(address) << address.error().text();
    return open_redis(loop, *address, {.command_timeout = timeout, .connect_timeout = timeout});
  }
  std::unique_ptr<RedisRoute> to_cluster(Duration timeout = 5s,
                                         const TestCertificate& trusted = certificates().ca) {
    return route_to("rediss://localhost:" + std::to_string(servers().node(0).tls_port()), trusted,
                    timeout);
  }
  static std::string url_of(const SentinelServer& sentinel) {
    return "rediss+sentinel://localhost:" + std::to_string(sentinel.port()) + "/orders";
  }
  Result<resp::Value> ask(RedisRoute& route, const std::string& key,
                          const std::vector<std::string>& words) {
    return answer_to([&](RedisCallback done) { route.command(key, words, std::move(done)); });
  }
  std::string text_of(RedisRoute& route, const std::string& key,
                      const std::vector<std::string>& words) {
    const auto answer = ask(route, key, words);
    return answer ? resp::to_string(*answer) : answer.error().text();
  }
  Error error_of(RedisRoute& route, const std::string& key = "k") {
    const auto answer = ask(route, key, {"GET", key});
    EXPECT_FALSE(answer) << resp::to_string(answer.value());
    return answer ? Error{} : answer.error();
  }
  // Until the command is carried out.
  void eventually(RedisRoute& route, const std::string& key,
                  const std::vector<std::string>& words) {
    RedisClusterServers::wait_for("an answer", [&] { return ask(route, key, words).has_value(); });
  }
  // Makes a node show another certificate to whoever connects from now on.
  static void show(RedisClusterNode& node, const TestCertificate& certificate) {
    node.command({"CONFIG", "SET", "tls-cert-file", certificate.cert_file(), "tls-key-file",
                  certificate.key_file()});
  }
};

// ---- Cluster ----------------------------------------------------------------------------------

TEST_F(RedisRouteTlsTest, FollowsASlotThatHasMoved) {
  const auto route = to_cluster();
  // By the first it sees that this is a cluster, for the second it learns the map.
  ASSERT_EQ(text_of(*route, "{moved}", {"SET", "{moved}", "0"}), "\"OK\"");
  ASSERT_EQ(text_of(*route, "{moved}", {"SET", "{moved}", "1"}), "\"OK\"");
  const int slot = redis_slot("{moved}");
  const std::size_t from = servers().owner(slot);
  const std::size_t to = servers().another(from);
  const int before = servers().errors_sent(from, "MOVED");
  servers().move(slot, from, to);
  EXPECT_EQ(text_of(*route, "{moved}", {"INCR", "{moved}"}), "2");
  EXPECT_EQ(servers().errors_sent(from, "MOVED"), before + 1);
}

TEST_F(RedisRouteTlsTest, AsksTheOtherNodeForKeysThatAreThereAlready) {
  const auto route = to_cluster();
  const int slot = redis_slot("{ask}");
  ASSERT_EQ(text_of(*route, "{ask}1", {"SET", "{ask}1", "old"}), "\"OK\"");
  const std::size_t from = servers().owner(slot);
  const std::size_t to = servers().another(from);
  servers().begin_move(slot, from, to);
  const int before = servers().errors_sent(from, "ASK");
  EXPECT_EQ(text_of(*route, "{ask}2", {"SET", "{ask}2", "new"}), "\"OK\"");
  EXPECT_EQ(text_of(*route, "{ask}2", {"GET", "{ask}2"}), "\"new\"");
  EXPECT_EQ(servers().errors_sent(from, "ASK"), before + 2);
  servers().move_keys(slot, from, to);
  servers().end_move(slot, from, to);
  EXPECT_EQ(text_of(*route, "{ask}1", {"GET", "{ask}1"}), "\"old\"");
}

TEST_F(RedisRouteTlsTest, GoesOnOnceTheReplicaOfADeadPrimaryIsElected) {
  const auto route = to_cluster(500ms);
  eventually(*route, "d", {"SET", "d", "1"});
  const std::size_t primary = servers().owner(redis_slot("d"));
  servers().in_step((primary + 3) % 6);
  servers().node(primary).stop();
  const Error why = error_of(*route, "d");
  EXPECT_TRUE(why.retryable) << why.text();
  eventually(*route, "d", {"SET", "d", "2"});
  EXPECT_EQ(text_of(*route, "d", {"INCR", "d"}), "3");
  servers().node(primary).start();
  servers().in_step(primary);
  servers().all_serve();
}

TEST_F(RedisRouteTlsTest, RefusesAClusterWhoseAuthorityItDoesNotTrust) {
  const auto route = to_cluster(5s, certificates().strange_ca);
  const Error why = error_of(*route);
  EXPECT_EQ(why.code, "tls");
  EXPECT_FALSE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("ca_file in the store's URL"));
}

// The others go on.
TEST_F(RedisRouteTlsTest, RefusesTheOneNodeWhoseAuthorityItDoesNotTrust) {
  const std::size_t strange = servers().owner(redis_slot("n"));
  const std::size_t trusted = servers().another(strange);
  RedisClusterNode& node = servers().node(strange);
  show(node, certificates().strange);
  const auto address = "rediss://localhost:" + std::to_string(servers().node(trusted).tls_port());
  const auto route = route_to(address, certificates().ca);
  const Error why = error_of(*route, "n");
  EXPECT_EQ(why.code, "tls");
  EXPECT_FALSE(why.retryable);
  EXPECT_EQ(why.source, "redis localhost:" + std::to_string(node.tls_port()));
  EXPECT_THAT(why.message, HasSubstr("ca_file in the store's URL"));
  std::string other = "o";
  while (servers().owner(redis_slot(other)) != trusted) other += "o";
  EXPECT_EQ(text_of(*route, other, {"SET", other, "v"}), "\"OK\"");
  show(node, certificates().theirs);
  eventually(*route, "n", {"SET", "n", "v"});
}

// ---- Sentinel ---------------------------------------------------------------------------------

TEST_F(RedisRouteTlsTest, FollowsAFailoverBySentinel) {
  const TlsFiles files = certificates().of_servers();
  RedisTlsServer primary(files, "yes", {"--replica-announce-ip", "localhost"});
  const RedisTlsServer replica(files, "yes",
                               {"--replicaof", "localhost", std::to_string(primary.port()),
                                "--replica-announce-ip", "localhost"});
  const auto at_replica = route_to(replica.url(), certificates().ca);
  RedisClusterServers::wait_for("the replica in step", [&] {
    return text_of(*at_replica, "", {"INFO", "replication"}).find("master_link_status:up") !=
           std::string::npos;
  });
  const SentinelServer sentinel(primary.port(), files, "yes");
  RedisClient watcher(loop,
                      redis_address("rediss://localhost:" + std::to_string(sentinel.port()) +
                                    certificates().options(certificates().ca))
                          .value(),
                      {.peer = RedisPeer::sentinel});
  // A Sentinel that does not find its replica at once looks again only after 10 s.
  RedisClusterServers::wait_for("the Sentinel to know the replica", [&] {
    const auto replicas = RedisClientTest::ask(watcher, {"SENTINEL", "REPLICAS", "orders"});
    return replicas && replicas->items.size() == 1;
  });
  const auto route = route_to(url_of(sentinel), certificates().ca, 500ms);
  ASSERT_EQ(text_of(*route, "k", {"SET", "k", "v"}), "\"OK\"");
  primary.stop();
  eventually(*route, "k", {"SET", "k", "w"});
  EXPECT_THAT(text_of(*route, "k", {"CONFIG", "GET", "tls-port"}),
              HasSubstr("\"" + std::to_string(replica.port()) + "\""));
}

TEST_F(RedisRouteTlsTest, RefusesASentinelWhoseAuthorityItDoesNotTrust) {
  const TlsFiles files = certificates().of_servers();
  const RedisTlsServer primary(files, "yes");
  const SentinelServer sentinel(primary.port(), files, "yes");
  const auto route = route_to(url_of(sentinel), certificates().strange_ca);
  const Error why = error_of(*route);
  EXPECT_EQ(why.code, "sentinel");
  EXPECT_THAT(why.message,
              AllOf(HasSubstr("localhost:" + std::to_string(sentinel.port()) + ": the TLS "),
                    HasSubstr("ca_file in the store's URL")));
}

// The Sentinels trust both authorities, we only theirs.
TEST_F(RedisRouteTlsTest, RefusesAPrimaryWhoseAuthorityItDoesNotTrust) {
  const TestCertificate& strange_ca = certificates().strange_ca;
  const RedisTlsServer primary(certificates().strange.files(strange_ca), "no");
  TlsFiles of_sentinel = certificates().of_servers();
  of_sentinel.ca_file = strange_ca.cert_file();
  const SentinelServer sentinel(primary.port(), of_sentinel, "no");
  const auto route = route_to(url_of(sentinel), certificates().ca);
  const Error why = error_of(*route);
  EXPECT_EQ(why.code, "tls");
  EXPECT_EQ(why.source, "redis localhost:" + std::to_string(primary.port()));
  EXPECT_THAT(why.message, HasSubstr("ca_file in the store's URL"));
}

}  // namespace
}  // namespace switchgear::net
