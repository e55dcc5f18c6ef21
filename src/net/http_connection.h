// One connection of the HTTP client: connects at its first exchange, then carries one exchange at
// a time. Which call goes where, limits and retries are the client's (http_client.cc). Only for
// the .cc files of net/.
#pragma once

#include <functional>
#include <memory>

#include "net/http_client.h"

namespace switchgear::net {

struct ExchangeResult {
  Result<HttpResponse> response;
  // The connection can carry another exchange.
  bool reusable = false;
  // It failed because the peer closed, before the first byte of a response.
  bool closed_before_response = false;
  // Nothing of the request went out.
  bool nothing_sent = false;
};

class HttpConnection {
 public:
  using Done = std::function<void(ExchangeResult)>;

  virtual ~HttpConnection() = default;
  // `request` has been checked. `done` is called once, on the loop, never from inside; not at all
  // after close(). Not before the last exchange is done.
  virtual void exchange(std::shared_ptr<const HttpRequest> request, Done done) = 0;
  // Abandons what is going on. The connection is of no use afterwards.
  virtual void close() = 0;
  // Between exchanges: open, and the peer has sent nothing unasked and has not closed.
  virtual bool fresh() = 0;
};

// `options` outlives the connection.
std::shared_ptr<HttpConnection> make_http_connection(Loop& loop, const Url& endpoint,
                                                     const HttpClientOptions& options);

}  // namespace switchgear::net
