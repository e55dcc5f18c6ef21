// A small HTTP/1.1 server on a Loop: metrics, health and the local API.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/result.h"
#include "net/http.h"
#include "net/loop.h"

namespace switchgear::net {

struct HttpServerOptions {
  // An IP address. Loopback unless somebody asks for more.
  std::string address = "127.0.0.1";
  // 0: a free port; port() tells which.
  std::uint16_t port = 0;
  // Larger requests are answered 413 or 431 and their connection is closed.
  std::size_t body_bytes_max = 1 << 20;
  std::size_t header_bytes_max = 16 << 10;
  // Beyond it, new connections wait in the kernel's queue.
  std::size_t connections_max = 256;
  // From the first byte of a request to its last; slower ones are answered 408.
  Duration request_timeout = 10s;
  // For the peer to take a response.
  Duration response_timeout = 10s;
  // A connection that carries no request for so long is closed.
  Duration idle_timeout = 60s;
};

// Answers one request, now or later; the first answer counts. Copyable; if the last copy goes
// without an answer, the peer gets 500. On the loop's thread, and may outlive the server.
class Responder {
 public:
  void operator()(HttpResponse response) const;

 private:
  friend class HttpServer;
  friend struct ResponderAccess;
  struct State;
  explicit Responder(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// Requests that are not HTTP are answered 400 without reaching the handler. One request of a
// connection is handled at a time.
class HttpServer {
 public:
  using Handler = std::function<void(HttpRequest, Responder)>;

  // Listens at once. `loop` outlives the server. Errors: "address" if it is no IP address;
  // "listen", with address, port and cause.
  static Result<std::unique_ptr<HttpServer>> start(Loop& loop, HttpServerOptions options,
                                                   Handler handler);
  // Closes the listening socket and every connection; the handler is not called any more.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  // "http://127.0.0.1:8080"
  std::string url() const;

  class Impl;  // in the source

 private:
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace switchgear::net
