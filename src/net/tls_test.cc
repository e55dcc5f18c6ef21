// A TLS server with a certificate made here, and the client that must or must not trust it.
#include "net/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <filesystem>

#include "net/certificate_for_tests.h"
#include "net/http_client.h"
#include "net/raw_socket_testing.h"

namespace switchgear::net {
namespace {

using testing::RawServer;
using testing::RawSocket;

// A self-signed certificate for the given names ("DNS:localhost,IP:127.0.0.1").
class Identity {
 public:
  explicit Identity(const char* names) : certificate_({.names = names}) {}
  std::string file() const { return certificate_.cert_file(); }

  // Serves one connection after the handshake: an answer per request.
  void serve(RawSocket& socket) const {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, certificate_.certificate());
    SSL_CTX_use_PrivateKey(context, certificate_.key());
    SSL* session = SSL_new(context);
    SSL_set_fd(session, socket.fd());
    if (SSL_accept(session) == 1) {
      std::string heard;
      char byte = 0;
      while (SSL_read(session, &byte, 1) == 1) {
        heard += byte;
        if (!heard.ends_with("\r\n\r\n")) continue;
        const char* sni = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
        const std::string body = sni == nullptr ? "no name" : sni;
        const std::string answer =
            "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        SSL_write(session, answer.data(), static_cast<int>(answer.size()));
        heard.clear();
      }
    }
    SSL_free(session);
    SSL_CTX_free(context);
  }

 private:
  const TestCertificate certificate_;
};

struct Fetcher {
  Loop loop;
  HttpClient client;
  explicit Fetcher(std::string ca_file) : client(loop, {.ca_file = std::move(ca_file)}) {}

  Result<HttpResponse> get(const std::string& host, std::uint16_t port) {
    std::optional<Result<HttpResponse>> answer;
    client.send(parse_url("https://" + host + ":" + std::to_string(port)).value(), {}, {},
                [&](Result<HttpResponse> result) { answer = std::move(result); });
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 30s));
    return *answer;
  }
};

TEST(Tls, TalksToAPeerWhoseCertificateItTrusts) {
  const Identity identity("DNS:localhost,IP:127.0.0.1");
  RawServer server([&](RawSocket& socket, int) { identity.serve(socket); });
  Fetcher fetcher(identity.file());
  for (int i = 0; i < 3; ++i) {
    const auto response = fetcher.get("localhost", server.port());
    ASSERT_TRUE(response) << response.error().text();
    EXPECT_EQ(response->body, "localhost");  // the name sent for SNI
  }
  EXPECT_EQ(fetcher.client.connections(), 1u);
}

TEST(Tls, ChecksAddressesToo) {
  const Identity identity("IP:127.0.0.1");
  RawServer server([&](RawSocket& socket, int) { identity.serve(socket); });
  const auto response = Fetcher(identity.file()).get("127.0.0.1", server.port());
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_EQ(response->body, "no name");
}

TEST(Tls, RefusesACertificateForAnotherName) {
  const Identity identity("DNS:elsewhere.example");
  RawServer server([&](RawSocket& socket, int) { identity.serve(socket); });
  for (const char* host : {"localhost", "127.0.0.1"}) {
    const auto response = Fetcher(identity.file()).get(host, server.port());
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, "tls");
    EXPECT_NE(response.error().message.find("mismatch"), std::string::npos)
        << response.error().message;
    EXPECT_FALSE(response.error().retryable);
  }
}

TEST(Tls, RefusesACertificateThatNobodyTrustedSigned) {
  const Identity identity("DNS:localhost");
  const Identity other("DNS:localhost");
  RawServer server([&](RawSocket& socket, int) { identity.serve(socket); });
  const auto response = Fetcher(other.file()).get("localhost", server.port());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, "tls");
  EXPECT_NE(response.error().message.find("AWS_CA_BUNDLE"), std::string::npos);
}

TEST(Tls, SaysThatThePeerDoesNotSpeakTls) {
  const Identity identity("DNS:localhost");
  RawServer server([](RawSocket& socket, int) {
    socket.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    socket.read_to_close();
  });
  const auto response = Fetcher(identity.file()).get("localhost", server.port());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, "tls");
}

TEST(Tls, GivesUpOnAHandshakeThatNeverComes) {
  const Identity identity("DNS:localhost");
  RawServer server([](RawSocket& socket, int) { socket.read_to_close(); });
  Loop loop;
  HttpClient client(loop, {.connect_timeout = 30ms, .ca_file = identity.file()});
  std::string code;
  client.send(parse_url("https://127.0.0.1:" + std::to_string(server.port())).value(), {}, {},
              [&](const Result<HttpResponse>& result) { code = result.error().code; });
  EXPECT_TRUE(loop.run_until([&] { return !code.empty(); }, 30s));
  EXPECT_EQ(code, "connect");
}

TEST(Tls, NamesTheFileOfCertificatesThatCannotBeRead) {
  const auto context = client_tls_context({.ca_file = "/no/such/bundle.pem"});
  ASSERT_FALSE(context);
  EXPECT_EQ(context.error().code, "tls");
  EXPECT_NE(context.error().message.find("/no/such/bundle.pem"), std::string::npos);
}

TEST(Tls, NamesTheFileOfOurCertificateThatCannotBeUsedAndSaysWhy) {
  const TestCertificate ca({.names = ""});
  const TestCertificate ours({.names = "DNS:us", .issuer = &ca});
  const auto problem = [&](const std::string& cert_file, const std::string& key_file) {
    const auto context = client_tls_context(
        {.ca_file = ca.cert_file(), .cert_file = cert_file, .key_file = key_file});
    EXPECT_FALSE(context);
    if (context) return std::string();
    EXPECT_EQ(context.error().code, "tls");
    return context.error().message;
  };
  EXPECT_NE(
      problem("/no/cert.pem", ours.key_file()).find("cert_file '/no/cert.pem' cannot be read"),
      std::string::npos);
  EXPECT_NE(problem(ours.cert_file(), "/no/key.pem").find("key_file '/no/key.pem' cannot be read"),
            std::string::npos);
  EXPECT_NE(problem(ours.key_file(), ours.key_file()).find("holds no certificate"),
            std::string::npos);
  EXPECT_NE(problem(ours.cert_file(), ours.cert_file()).find("holds no key"), std::string::npos);
  EXPECT_NE(problem(ours.cert_file(), ca.key_file()).find("does not belong to the certificate"),
            std::string::npos);
  EXPECT_NE(problem(ours.cert_file(), ours.protected_key_file()).find("passphrase"),
            std::string::npos);
}

TEST(Tls, ReadsAFileAgainOnceItHasChanged) {
  const TestCertificate first({.names = "DNS:localhost"});
  const TestCertificate second({.names = "DNS:localhost"});
  const std::string file = first.cert_file();
  const auto before = *client_tls_context({.ca_file = file});
  std::filesystem::remove(file);
  std::filesystem::copy(second.cert_file(), file);
  EXPECT_NE(*client_tls_context({.ca_file = file}), before);
}

TEST(Tls, ReadsEachFileOnce) {
  const Identity identity("DNS:localhost");
  EXPECT_EQ(*client_tls_context({.ca_file = identity.file()}),
            *client_tls_context({.ca_file = identity.file()}));
}

}  // namespace
}  // namespace switchgear::net
