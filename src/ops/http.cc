#include "ops/http.h"

#include <charconv>
#include <string_view>

#include "ops/metrics.h"

namespace switchgear::ops {
namespace {

net::HttpResponse page(const OpsPages& pages, const net::HttpRequest& request) {
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  const auto text = [](int status, std::string body) {
    net::HttpResponse response{.status = status, .headers = {}, .body = std::move(body)};
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.headers.set("Cache-Control", "no-store");
    return response;
  };
  const bool known = path == "/metrics" || path == "/healthz" || path == "/readyz";
  if (!known) return text(404, "not here; try /metrics, /healthz or /readyz\n");
  if (request.method != "GET" && request.method != "HEAD") {
    net::HttpResponse response = text(405, "only GET\n");
    response.headers.set("Allow", "GET, HEAD");
    return response;
  }
  if (path == "/metrics") {
    net::HttpResponse response = text(200, pages.metrics());
    response.headers.set("Content-Type", kMetricsContentType);
    return response;
  }
  const Health health = path == "/healthz" ? pages.healthy() : pages.ready();
  return text(health.good ? 200 : 503, health.text + "\n");
}

}  // namespace

Result<std::unique_ptr<OpsServer>> OpsServer::start(net::Loop& loop, const std::string& listen,
                                                    OpsPages pages) {
  const auto bad = [&](const std::string& why) {
    return Error{"address",
                 "cannot listen on '" + listen + "': " + why +
                     "; write address and port like 127.0.0.1:9464",
                 false, "metrics"};
  };
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return bad("it has no port");
  std::string address = listen.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  std::uint16_t port = 0;
  const std::string digits = listen.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return bad("its port is not a number from 0 to 65535");
  }
  net::HttpServerOptions options;
  options.address = address;
  options.port = port;
  auto started = net::HttpServer::start(
      loop, options,
      [pages = std::move(pages)](const net::HttpRequest& request, const net::Responder& respond) {
        respond(page(pages, request));
      });
  if (!started) return started.error();
  std::unique_ptr<OpsServer> server(new OpsServer());
  server->server_ = std::move(*started);
  return server;
}

}  // namespace switchgear::ops
