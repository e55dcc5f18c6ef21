#include "net/http_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "core/assert.h"
#include "net/loop_impl.h"
#include "net/tls.h"

namespace switchgear::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// A peer that sends more interim (1xx) responses than this to one request is broken.
constexpr int kInterimResponsesMax = 16;

using Message = http::request<http::string_body>;

Message to_message(const HttpRequest& request, const Url& endpoint, const std::string& agent,
                   const Url* proxy) {
  Message message;
  message.version(11);
  message.method_string(request.method);
  if (proxy != nullptr && !endpoint.tls()) {
    message.target("http://" + endpoint.authority() + request.target);
    const std::string authorization = proxy_authorization(*proxy);
    if (!authorization.empty()) message.set(http::field::proxy_authorization, authorization);
  } else {
    message.target(request.target);
  }
  if (!request.headers.has("Host")) message.set(http::field::host, endpoint.authority());
  if (!request.headers.has("User-Agent")) message.set(http::field::user_agent, agent);
  for (const auto& [name, value] : request.headers) {
    // The length of the body is ours to say, and it is never chunked.
    if (equal_ignoring_case(name, "Content-Length")) continue;
    if (equal_ignoring_case(name, "Transfer-Encoding")) continue;
    message.insert(name, value);
  }
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

bool means_closed(const error_code& error) {
  return error == asio::error::eof || error == asio::error::connection_reset ||
         error == asio::error::connection_aborted || error == asio::error::broken_pipe ||
         error == asio::ssl::error::stream_truncated || error == http::error::end_of_stream ||
         error == http::error::partial_message;
}

class Connection final : public HttpConnection, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Loop& loop, const Url& endpoint, const HttpClientOptions& options)
      : loop_(loop),
        endpoint_(endpoint),
        options_(options),
        proxy_(proxy_for(options.proxies, endpoint)),
        resolver_(loop.impl().context),
        socket_(loop.impl().context) {}

  void exchange(std::shared_ptr<const HttpRequest> request, Done done) override {
    SG_ASSERT(!done_);
    message_ = std::make_shared<const Message>(
        to_message(*request, endpoint_, options_.user_agent, proxy_));
    done_ = std::move(done);
    if (socket_.is_open()) {
      send();
    } else {
      resolve();
    }
  }

  void close() override {
    done_ = nullptr;
    connect_timer_.cancel();
    resolver_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

  bool fresh() override {
    if (!socket_.is_open()) return false;
    char byte = 0;
    const ssize_t n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

 private:
  // ---- connecting

  void resolve() {
    connect_timer_ = loop_.call_after(options_.connect_timeout, [this] {
      const auto limit =
          std::chrono::duration_cast<std::chrono::milliseconds>(options_.connect_timeout);
      fail("connect",
           "no connection to " + hop_name() + " within " + std::to_string(limit.count()) +
               " ms; is it running and reachable?",
           true);
    });
    error_code not_an_address;
    const auto address = asio::ip::make_address(hop().host, not_an_address);
    if (!not_an_address) {
      connect(std::vector<tcp::endpoint>{{address, hop().port}});
      return;
    }
    resolver_.async_resolve(
        hop().host, std::to_string(hop().port), tcp::resolver::numeric_service,
        [self = shared_from_this()](const error_code& error, const tcp::resolver::results_type& r) {
          if (!self->done_) return;
          if (error) {
            self->fail("dns",
                       "the host name '" + self->hop().host + "' cannot be resolved (" +
                           error.message() + "); check its spelling and the DNS",
                       true);
            return;
          }
          self->connect(std::vector<tcp::endpoint>(r.begin(), r.end()));
        });
  }

  void connect(std::vector<tcp::endpoint> addresses) {
    auto held = std::make_shared<const std::vector<tcp::endpoint>>(std::move(addresses));
    asio::async_connect(
        socket_, *held,
        [self = shared_from_this(), held](const error_code& error, const tcp::endpoint&) {
          if (!self->done_) return;
          if (error) {
            self->fail("connect",
                       "no connection to " + self->hop_name() + " (" + error.message() +
                           "); is it running and reachable?",
                       true);
            return;
          }
          error_code ignored;
          self->socket_.set_option(tcp::no_delay(true), ignored);
          self->start();
        });
  }

  // Where the connection goes.
  const Url& hop() const { return proxy_ != nullptr ? *proxy_ : endpoint_; }
  std::string hop_name() const {
    return (proxy_ != nullptr ? "the proxy " : "") + hop().host_port();
  }

  void start() {
    if (!endpoint_.tls()) return connected();
    proxy_ != nullptr ? ask_for_tunnel() : handshake();
  }

  void ask_for_tunnel() {
    auto request = std::make_shared<http::request<http::empty_body>>(http::verb::connect,
                                                                     endpoint_.host_port(), 11);
    request->set(http::field::host, endpoint_.host_port());
    const std::string authorization = proxy_authorization(*proxy_);
    if (!authorization.empty()) request->set(http::field::proxy_authorization, authorization);
    http::async_write(socket_, *request,
                      [self = shared_from_this(), request](const error_code& error, std::size_t) {
                        if (!self->done_) return;
                        if (error)
                          return self->no_tunnel("closed the connection: " + error.message(), true);
                        self->read_tunnel();
                      });
  }

  void read_tunnel() {
    tunnel_.emplace();
    tunnel_->header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
    // Whatever it says of a body, after 200 comes what the endpoint sends.
    tunnel_->skip(true);
    http::async_read_header(
        socket_, buffer_, *tunnel_,
        [self = shared_from_this()](const error_code& error, std::size_t) {
          if (!self->done_) return;
          if (error) return self->no_tunnel("gave no answer: " + error.message(), true);
          const int status = static_cast<int>(self->tunnel_->get().result_int());
          if (status == 407) {
            self->no_tunnel("wants another user and password (HTTP 407); write them into its URL",
                            false);
          } else if (status < 200 || status >= 300) {
            self->no_tunnel("answered HTTP " + std::to_string(status), status >= 500);
          } else if (self->buffer_.size() > 0) {
            self->no_tunnel("sent something of its own", false);
          } else {
            self->handshake();
          }
        });
  }

  void no_tunnel(const std::string& why, bool retryable) {
    fail("proxy",
         "no tunnel to " + endpoint_.host_port() + ": the proxy " + proxy_->host_port() + " " + why,
         retryable);
  }

  void handshake() {
    auto context = client_tls_context({.ca_file = options_.ca_file});
    if (!context) {
      fail("tls", context.error().message, false);
      return;
    }
    tls_context_ = *std::move(context);
    tls_.emplace(socket_, *tls_context_);
    if (!expect_tls_host(tls_->native_handle(), endpoint_.host)) {
      fail("tls", "the host name cannot be checked against a certificate", false);
      return;
    }
    tls_->async_handshake(
        asio::ssl::stream_base::client, [self = shared_from_this()](const error_code& error) {
          if (!self->done_) return;
          if (error) {
            self->fail("tls",
                       "the TLS handshake with " + self->endpoint_.host_port() +
                           " failed: " + tls_failure(self->tls_->native_handle(), error),
                       means_closed(error));
            return;
          }
          self->connected();
        });
  }

  void connected() {
    connect_timer_.cancel();
    send();
  }

  // ---- one exchange

  void send() {
    written_.reset();
    interim_responses_ = 0;
    // Reading begins at once: a peer may answer, and close, before it has read all of the
    // request. So the reader decides how the exchange ended; a failed write only makes it fail.
    with_stream([this](auto& stream) {
      http::async_write(stream, *message_,
                        [self = shared_from_this(), message = message_](const error_code& error,
                                                                        std::size_t bytes) {
                          if (!self->done_ || message != self->message_) return;
                          self->written_ = Written{!error, bytes};
                        });
    });
    receive();
  }

  void receive() {
    parser_.emplace();
    parser_->get().result(0u);
    parser_->body_limit(options_.body_bytes_max);
    parser_->header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
    parser_->skip(message_->method() == http::verb::head);
    with_stream([this](auto& stream) {
      http::async_read(stream, buffer_, *parser_,
                       [self = shared_from_this()](const error_code& error, std::size_t) {
                         if (self->done_) self->received(error);
                       });
    });
  }

  void received(const error_code& error) {
    if (error) {
      fail_receive(error);
      return;
    }
    const int status = static_cast<int>(parser_->get().result_int());
    if (status >= 100 && status < 200) {
      if (status == 101 || ++interim_responses_ > kInterimResponsesMax) {
        fail("protocol", "the peer answered with the unasked status " + std::to_string(status),
             false);
      } else {
        receive();
      }
      return;
    }
    HttpResponse response{.status = status};
    for (const auto& field : parser_->get()) {
      const auto name = field.name_string();
      const auto value = field.value();
      response.headers.add({name.data(), name.size()}, {value.data(), value.size()});
    }
    // Bytes beyond the response were not asked for, and a request still being written would
    // run into the next one: such a connection is not used again.
    const bool reusable = parser_->get().keep_alive() && !parser_->get().need_eof() && written_ &&
                          written_->whole && buffer_.size() == 0;
    response.body = std::move(parser_->get().body());
    finish({.response = std::move(response), .reusable = reusable});
  }

  void fail_receive(const error_code& error) {
    if (error == http::error::body_limit || error == http::error::header_limit) {
      fail("too_large",
           error == http::error::body_limit
               ? "the response body is larger than " + std::to_string(options_.body_bytes_max) +
                     " bytes"
               : "the response header is larger than " + std::to_string(options_.header_bytes_max) +
                     " bytes",
           false);
    } else if (!looks_like_http()) {
      fail("protocol", "the answer is not HTTP/1.1; is this the right host, port and scheme?",
           false);
    } else if (means_closed(error)) {
      const bool started = parser_->got_some() || buffer_.size() > 0;
      const bool nothing_sent = written_ && written_->bytes == 0;
      finish({.response = failure("closed",
                                  started ? "the peer closed the connection in the middle of its "
                                            "response"
                                          : "the peer closed the connection without a response",
                                  true),
              .closed_before_response = !started,
              .nothing_sent = nothing_sent});
    } else if (error.category() == make_error_code(http::error::end_of_stream).category()) {
      fail("protocol",
           "the answer is not HTTP/1.1 (" + error.message() + "); is this the right host and port?",
           false);
    } else {
      fail("closed", "the connection broke: " + error.message(), true);
    }
  }

  // Whether what has come begins as a response does. A TLS server, for one, says a few bytes of
  // its own to a plain request and closes.
  bool looks_like_http() const {
    if (parser_->get().result_int() != 0) return true;  // the status line was read
    constexpr std::string_view kBegin = "HTTP/";
    const auto bytes = buffer_.data();
    const std::string_view seen(static_cast<const char*>(bytes.data()),
                                std::min(bytes.size(), kBegin.size()));
    return kBegin.starts_with(seen);
  }

  // ---- ends

  Error failure(std::string code, std::string message, bool retryable) const {
    return {.code = std::move(code),
            .message = std::move(message),
            .retryable = retryable,
            .source = endpoint_.scheme + "://" + endpoint_.authority()};
  }

  void fail(std::string code, std::string message, bool retryable) {
    finish({.response = failure(std::move(code), std::move(message), retryable)});
  }

  void finish(ExchangeResult result) {
    Done done = std::exchange(done_, nullptr);
    connect_timer_.cancel();
    message_.reset();
    if (!result.reusable) close();
    done(std::move(result));
  }

  template <class F>
  void with_stream(F f) {
    if (tls_) {
      f(*tls_);
    } else {
      f(socket_);
    }
  }

  struct Written {
    bool whole;
    std::size_t bytes;
  };

  Loop& loop_;
  const Url endpoint_;
  const HttpClientOptions& options_;
  const Url* const proxy_;  // of options_; nullptr: none
  tcp::resolver resolver_;
  tcp::socket socket_;
  std::shared_ptr<asio::ssl::context> tls_context_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  Timer connect_timer_;

  Done done_;  // empty: between exchanges, or closed
  std::shared_ptr<const Message> message_;
  std::optional<Written> written_;  // empty while writing
  beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::string_body>> parser_;
  std::optional<http::response_parser<http::empty_body>> tunnel_;
  int interim_responses_ = 0;
};

}  // namespace

std::shared_ptr<HttpConnection> make_http_connection(Loop& loop, const Url& endpoint,
                                                     const HttpClientOptions& options) {
  return std::make_shared<Connection>(loop, endpoint, options);
}

}  // namespace switchgear::net
