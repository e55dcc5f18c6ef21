// An HTTP/1.1 client on a Loop, plain and TLS, with kept-alive connections.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "core/problem.h"
#include "core/result.h"
#include "net/call_handle.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/proxy.h"
#include "net/url.h"

namespace switchgear::net {

struct HttpClientOptions {
  // Connections to one endpoint (scheme, host and port). Calls beyond it wait in order.
  std::size_t connections_max = 256;
  // Calls to one endpoint that may wait for a connection; more get the error "busy" at once.
  std::size_t waiting_max = 10'000;
  // For looking up the name, connecting and the TLS handshake together.
  Duration connect_timeout = 5s;
  // A connection unused for so long is closed. Short, so that a call seldom meets a connection
  // that its peer is just closing.
  Duration idle_timeout = 15s;
  // A larger response gets the error "too_large".
  std::size_t body_bytes_max = 8 << 20;
  std::size_t header_bytes_max = 64 << 10;
  // PEM file of the certificate authorities to trust; empty: the places named in net/tls.h.
  std::string ca_file = {};
  // Through which of the endpoints are reached: plain requests go to the proxy as a whole, for TLS
  // it is asked for a tunnel (CONNECT), which it cannot look into.
  ProxySettings proxies = {};
  // Sent as User-Agent unless the request has one.
  std::string user_agent = "switchgear";
};

struct HttpCallOptions {
  // For the whole call: waiting for a connection, sending, and receiving the whole response. Where
  // this process stood still (suspended, or without a turn on the processor) when it ran out, the
  // call gets as much time again as the standstill outlasted it, and at most twice the time-out.
  Duration timeout = 10s;
  // Sending it twice does no harm. Then a call that fails on a *kept* connection before the first
  // byte of the response (the peer closed it meanwhile) is sent once more on a new one. Without
  // this it is sent again only if nothing of it had been sent.
  bool idempotent = false;
};

// Everything on the loop's thread. One client serves many endpoints.
//
// Errors, with `source` the endpoint:
//   dns, connect        no connection (retryable)
//   proxy               the proxy on the way refuses a tunnel (retryable if it is its own trouble)
//   tls                 handshake or certificate
//   timeout, closed     nothing or not everything came back (retryable; the request may have
//                       been carried out)
//   protocol            the peer does not speak HTTP/1.1
//   too_large           response beyond the limits above
//   busy                too many calls wait (retryable)
//   invalid_request     method, target or header that HTTP cannot carry; nothing was sent
//   cancelled           by the handle
class HttpClient {
 public:
  using Callback = std::function<void(Result<HttpResponse>)>;

  // `loop` outlives the client.
  explicit HttpClient(Loop& loop, HttpClientOptions options = {});
  // Calls that have not ended are abandoned and their callbacks destroyed without being called.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Sends `request` to the scheme, host and port of `endpoint` (http or https; its path, query,
  // user and password are not used). Host, Content-Length and User-Agent are filled in; any
  // status is a response, redirects are not followed. `callback` is called exactly once, on the
  // loop, never from inside send().
  CallHandle send(const Url& endpoint, HttpRequest request, HttpCallOptions options,
                  Callback callback);

  // Open connections to all endpoints, and calls waiting for one.
  std::size_t connections() const;
  std::size_t waiting() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace switchgear::net
