// Serves /metrics, /healthz and /readyz.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/result.h"
#include "net/http_server.h"
#include "net/loop.h"

namespace switchgear::ops {

struct Health {
  bool good = true;
  std::string text = "ok";  // one line, for people
};

struct OpsPages {
  std::function<std::string()> metrics;
  // Whether the process works at all: a supervisor restarts it if not.
  std::function<Health()> healthy;
  // Whether it is doing its work now.
  std::function<Health()> ready;
};

// On the loop's thread. GET and HEAD only; 200 or 503.
class OpsServer {
 public:
  // `listen` is "address:port", like 127.0.0.1:9464 or [::1]:0; port 0 is a free one. `loop`
  // outlives the server. Errors: "address" if `listen` is none, "listen".
  static Result<std::unique_ptr<OpsServer>> start(net::Loop& loop, const std::string& listen,
                                                  OpsPages pages);
  std::string url() const { return server_->url(); }

 private:
  OpsServer() = default;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace switchgear::ops
