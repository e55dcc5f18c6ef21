#include "net/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "net/http_client.h"
#include "net/http_server.h"

namespace switchgear::net {
namespace {

using testing::HasSubstr;
using testing::Not;

using Values = std::map<std::string, std::string>;

Result<ProxySettings> settings(const Values& values) {
  return proxies_of([&](const std::string& name) {
    const auto it = values.find(name);
    return it == values.end() ? std::string() : it->second;
  });
}

// "host:port" of the proxy on the way, "" for none.
std::string way(const Values& values, std::string_view target) {
  const auto read = settings(values);
  EXPECT_TRUE(read) << read.error().text();
  const Url* proxy = proxy_for(*read, parse_url(target).value());
  return proxy == nullptr ? "" : proxy->host_port();
}

TEST(Proxy, IsChosenByTheScheme) {
  const Values values{{"HTTPS_PROXY", "http://secure:1"}, {"http_proxy", "plain:2"}};
  EXPECT_EQ(way(values, "https://sqs.eu-west-1.amazonaws.com"), "secure:1");
  EXPECT_EQ(way(values, "http://example.com"), "plain:2");
  EXPECT_EQ(way({{"HTTP_PROXY", "http://plain"}}, "http://example.com"), "plain:80");
  EXPECT_EQ(way({}, "https://example.com"), "");
}

TEST(Proxy, IsThatOfTheLowerCaseVariable) {
  EXPECT_EQ(way({{"HTTPS_PROXY", "http://upper:1"}, {"https_proxy", "http://lower:1"}},
                "https://example.com"),
            "lower:1");
}

TEST(Proxy, IsNotTakenToWhatIsNamedDirect) {
  const auto direct = [](const std::string& list, const char* target) {
    return way({{"https_proxy", "http://p:1"}, {"no_proxy", list}}, target).empty();
  };
  EXPECT_TRUE(direct("*", "https://example.com"));
  EXPECT_TRUE(direct("other.org, Example.com", "https://a.example.com"));
  EXPECT_TRUE(direct(".example.com", "https://example.com"));
  EXPECT_FALSE(direct("example.com", "https://notexample.com"));
  EXPECT_TRUE(direct("example.com:8443", "https://example.com:8443"));
  EXPECT_FALSE(direct("example.com:8443", "https://example.com"));
  EXPECT_TRUE(direct("10.0.0.0/8", "https://10.20.30.40"));
  EXPECT_FALSE(direct("10.0.0.0/8", "https://11.20.30.40"));
  EXPECT_TRUE(direct("2001:db8::1", "https://[2001:db8::1]"));
  EXPECT_TRUE(direct("[2001:db8::1]:8443", "https://[2001:db8::1]:8443"));
  EXPECT_FALSE(direct(",., /8,10.0.0.0/x,:1,[", "https://example.com"));
}

TEST(Proxy, IsNeverTakenToThisMachinesOwnEndpoints) {
  const Values values{{"http_proxy", "http://p:1"}};
  for (const char* target :
       {"http://127.0.0.1", "http://localhost:1", "http://169.254.169.254",
        "http://169.254.170.2/v2/credentials/x", "http://[::1]", "http://[fd00:ec2::254]"}) {
    EXPECT_EQ(way(values, target), "") << target;
  }
}

TEST(Proxy, ThatCannotBeOneIsRefusedWithoutItsPassword) {
  for (const char* text :
       {"https://u:hunter2@p:1", "socks5://u:hunter2@p", "http://u:hunter2@:x"}) {
    const auto read = settings({{"HTTPS_PROXY", text}});
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, "proxy");
    EXPECT_THAT(read.error().message, HasSubstr("HTTPS_PROXY"));
    EXPECT_THAT(read.error().message, Not(HasSubstr("hunter2")));
  }
}

// A proxy that only listens: what a tunnel carries is tested against a real one in
// tests/credentials.
class ProxyOnTheWay : public testing::Test {
 protected:
  ProxyOnTheWay() {
    server_ = HttpServer::start(loop_, {}, [this](HttpRequest request, const Responder& respond) {
                requests_.push_back(std::move(request));
                respond({.status = status_, .body = "from the proxy"});
              }).value();
    auto url = parse_url("http://ann:hunter%202@127.0.0.1:" + std::to_string(server_->port()));
    client_.emplace(loop_, HttpClientOptions{.proxies = {.for_http = *url, .for_https = *url}});
  }
  Result<HttpResponse> get(std::string_view url) {
    std::optional<Result<HttpResponse>> got;
    client_->send(parse_url(url).value(), {.target = "/a?b=c"}, {.timeout = 10s},
                  [&](Result<HttpResponse> result) { got = std::move(result); });
    EXPECT_TRUE(loop_.run_until([&] { return got.has_value(); }, 20s));
    return *got;
  }

  Loop loop_;
  int status_ = 200;
  std::vector<HttpRequest> requests_;
  std::unique_ptr<HttpServer> server_;
  std::optional<HttpClient> client_;
};

TEST_F(ProxyOnTheWay, GetsPlainRequestsAsAWhole) {
  const auto got = get("http://nowhere.invalid:8080");
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->body, "from the proxy");
  EXPECT_EQ(requests_.at(0).target, "http://nowhere.invalid:8080/a?b=c");
  EXPECT_EQ(requests_[0].headers.get("Host"), "nowhere.invalid:8080");
  EXPECT_EQ(requests_[0].headers.get("Proxy-Authorization"), "Basic YW5uOmh1bnRlciAy");
}

TEST_F(ProxyOnTheWay, IsAskedForATunnelAndMayRefuseIt) {
  status_ = 407;
  auto got = get("https://nowhere.invalid");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, "proxy");
  EXPECT_THAT(got.error().message, HasSubstr("wants another user and password"));
  EXPECT_THAT(got.error().text(), Not(HasSubstr("hunter")));
  EXPECT_FALSE(got.error().retryable);
  EXPECT_EQ(requests_.at(0).method, "CONNECT");
  EXPECT_EQ(requests_[0].target, "nowhere.invalid:443");
  EXPECT_EQ(requests_[0].headers.get("Proxy-Authorization"), "Basic YW5uOmh1bnRlciAy");
  status_ = 503;
  got = get("https://nowhere.invalid");
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("answered HTTP 503"));
  EXPECT_TRUE(got.error().retryable);
}

TEST_F(ProxyOnTheWay, ThatIsNotThereIsNamed) {
  server_.reset();
  const auto got = get("https://nowhere.invalid");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, "connect");
  EXPECT_THAT(got.error().message, HasSubstr("no connection to the proxy 127.0.0.1:"));
}

}  // namespace
}  // namespace switchgear::net
