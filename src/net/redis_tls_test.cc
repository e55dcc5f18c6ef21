// A Redis behind TLS, with certificates made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/certificate_for_tests.h"
#include "net/redis_client_for_tests.h"
#include "net/redis_server_for_tests.h"
#include "net/url.h"

namespace switchgear::net {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class RedisTlsTest : public RedisClientTest {
 protected:
  static constexpr const char* kNames = "DNS:localhost,IP:127.0.0.1";
  const TestCertificate ca{{.names = ""}};
  const TestCertificate certificate{{.names = kNames, .issuer = &ca}};

  std::string trusting(const TestCertificate& trusted) const {
    return "?ca_file=" + percent_encode(trusted.cert_file());
  }
  static std::string showing(const TestCertificate& ours) {
    return "&cert_file=" + percent_encode(ours.cert_file()) +
           "&key_file=" + percent_encode(ours.key_file());
  }
};

TEST_F(RedisTlsTest, CarriesOutCommands) {
  const RedisTlsServer server(certificate.files(ca), "no");
  for (const char* host : {"localhost", "127.0.0.1"}) {
    RedisClient client = client_of(server.url(host) + trusting(ca));
    EXPECT_EQ(text_of(client, {"SET", "k", std::string(100'000, 'x')}), "\"OK\"");
    EXPECT_EQ(text_of(client, {"STRLEN", "k"}), "100000");
    EXPECT_EQ(client.greeting().server, "redis");
    EXPECT_EQ(client.greeting().mode, RedisMode::standalone);
  }
}

TEST_F(RedisTlsTest, PipelinesAndAnswersInOrder) {
  const RedisTlsServer server(certificate.files(ca), "no");
  RedisClient client = client_of(server.url() + trusting(ca));
  expect_answers_in_order(client);
}

TEST_F(RedisTlsTest, LogsInAndChoosesADatabase) {
  const RedisTlsServer server(certificate.files(ca), "no",
                              {"--user", "ann", "on", ">pw-of-ann", "~*", "+@all"});
  RedisClient client = client_of(
      "rediss://ann:pw-of-ann@localhost:" + std::to_string(server.port()) + "/3" + trusting(ca));
  EXPECT_EQ(text_of(client, {"ACL", "WHOAMI"}), "\"ann\"");
  EXPECT_THAT(text_of(client, {"CLIENT", "INFO"}), HasSubstr(" db=3 "));
}

TEST_F(RedisTlsTest, RefusesACertificateForAnotherName) {
  const TestCertificate other({.names = "DNS:elsewhere.example", .issuer = &ca});
  const RedisTlsServer server(other.files(ca), "no");
  for (const char* host : {"localhost", "127.0.0.1"}) {
    RedisClient client = client_of(server.url(host) + trusting(ca));
    const Error why = error_of(client);
    EXPECT_EQ(why.code, "tls");
    EXPECT_FALSE(why.retryable);
    EXPECT_THAT(why.message, AllOf(HasSubstr("mismatch"), HasSubstr("by a name")));
  }
}

TEST_F(RedisTlsTest, RefusesACertificateThatNobodyTrustedSigned) {
  const TestCertificate stranger({.names = ""});
  const RedisTlsServer server(certificate.files(ca), "no");
  RedisClient client = client_of(server.url() + trusting(stranger));
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "tls");
  EXPECT_FALSE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("ca_file in the store's URL"));
}

TEST_F(RedisTlsTest, RefusesACertificateOutOfItsTime) {
  const TestCertificate expired(
      {.names = kNames, .issuer = &ca, .valid_from_s = -7200, .valid_to_s = -3600});
  const RedisTlsServer server(expired.files(ca), "no");
  RedisClient client = client_of(server.url() + trusting(ca));
  EXPECT_THAT(error_of(client).text(), AllOf(HasSubstr("has expired"), HasSubstr("renew it")));
}

TEST_F(RedisTlsTest, ShowsItsOwnCertificate) {
  const TestCertificate ours({.names = "DNS:us", .issuer = &ca});
  const RedisTlsServer server(certificate.files(ca), "yes");
  RedisClient client = client_of(server.url() + trusting(ca) + showing(ours));
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
}

TEST_F(RedisTlsTest, SaysThatTheServerAsksForACertificate) {
  const RedisTlsServer server(certificate.files(ca), "yes");
  RedisClient client = client_of(server.url() + trusting(ca));
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "tls");
  EXPECT_THAT(why.message, HasSubstr("cert_file and key_file"));
}

TEST_F(RedisTlsTest, SaysThatTheServerDoesNotAcceptOurCertificate) {
  const TestCertificate stranger({.names = ""});
  const TestCertificate ours({.names = "DNS:us", .issuer = &stranger});
  const RedisTlsServer server(certificate.files(ca), "yes");
  RedisClient client = client_of(server.url() + trusting(ca) + showing(ours));
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "tls");
  EXPECT_THAT(why.message, HasSubstr("does not accept our certificate"));
}

TEST_F(RedisTlsTest, NamesTheFileThatCannotBeRead) {
  const RedisTlsServer server(certificate.files(ca), "no");
  RedisClient client = client_of(server.url() + "?ca_file=/no/such/file.pem");
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "tls");
  EXPECT_THAT(why.message, HasSubstr("/no/such/file.pem"));
}

TEST_F(RedisTlsTest, SaysThatTlsIsMissingInTheUrl) {
  const RedisTlsServer server(certificate.files(ca), "no");
  RedisClient client = client_of("redis://localhost:" + std::to_string(server.port()));
  EXPECT_THAT(error_of(client).message, HasSubstr("rediss://"));
}

TEST_F(RedisTlsTest, SaysThatTheServerIsOneWithoutTls) {
  const RedisServer server;
  RedisClient client =
      client_of("rediss://localhost:" + std::to_string(server.port()) + trusting(ca),
                {.command_timeout = 500ms, .connect_timeout = 500ms});
  const Error why = error_of(client);
  EXPECT_THAT(why.code, AnyOf("tls", "timeout"));
  EXPECT_THAT(why.message, HasSubstr("redis:// instead of rediss://"));
}

TEST_F(RedisTlsTest, CountsTheHandshakeAsConnecting) {
  const StrangePeer peer("");
  RedisClient client = client_of("rediss://localhost:" + std::to_string(peer.port()) + trusting(ca),
                                 {.command_timeout = 10s, .connect_timeout = 50ms});
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "timeout");
  EXPECT_TRUE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("no TLS handshake within 50 ms"));
}

TEST_F(RedisTlsTest, ConnectsAgainAfterTheServerHasRestarted) {
  RedisTlsServer server(certificate.files(ca), "no");
  RedisClient client = client_of(server.url() + trusting(ca));
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
  server.stop();
  ASSERT_TRUE(loop.run_until([&] { return !client.connected(); }, 10s));
  server.start();
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
}

}  // namespace
}  // namespace switchgear::net
