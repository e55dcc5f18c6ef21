#include "ops/http.h"

#include <gtest/gtest.h>

#include "net/http_client.h"

namespace switchgear::ops {
namespace {

class OpsHttp : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = OpsServer::start(loop, "127.0.0.1:0",
                                    {.metrics = [] { return std::string("up 1\n"); },
                                     .healthy = [] { return Health{}; },
                                     .ready = [this] { return ready; }});
    ASSERT_TRUE(started) << started.error().text();
    server = std::move(*started);
  }
  net::HttpResponse ask(const std::string& method, const std::string& target) {
    std::optional<Result<net::HttpResponse>> answer;
    client.send(*net::parse_url(server->url()),
                {.method = method, .target = target, .headers = {}, .body = {}}, {},
                [&](Result<net::HttpResponse> response) { answer = std::move(response); });
    loop.run_until([&] { return answer.has_value(); }, 10s);
    if (!answer || !*answer) return {.status = 0, .headers = {}, .body = "no answer"};
    return **answer;
  }
  net::Loop loop;
  net::HttpClient client{loop};
  std::unique_ptr<OpsServer> server;
  Health ready;
};

TEST_F(OpsHttp, ServesMetricsAsPrometheusText) {
  const auto response = ask("GET", "/metrics?x=1");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "up 1\n");
  EXPECT_EQ(response.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
}

TEST_F(OpsHttp, TellsHealthFromReadiness) {
  ready = {.good = false, .text = "the store has not answered yet"};
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  const auto response = ask("GET", "/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "the store has not answered yet\n");
}

TEST_F(OpsHttp, HasNothingElse) {
  EXPECT_EQ(ask("GET", "/").status, 404);
  EXPECT_EQ(ask("POST", "/metrics").status, 405);
}

TEST(OpsServer, SaysWhatIsWrongWithItsAddress) {
  net::Loop loop;
  for (const char* bad : {"localhost", "127.0.0.1:x", "127.0.0.1:70000"}) {
    const auto server = OpsServer::start(loop, bad, {});
    ASSERT_FALSE(server) << bad;
    EXPECT_EQ(server.error().code, "address");
  }
}

}  // namespace
}  // namespace switchgear::ops
