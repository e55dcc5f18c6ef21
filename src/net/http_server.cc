#include "net/http_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <unordered_set>
#include <utility>

#include "net/loop_impl.h"

namespace switchgear::net {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// ---- Responder

struct Responder::State {
  std::function<void(HttpResponse)> respond;  // empty: answered
  ~State() {
    if (respond) respond({.status = 500, .body = "the request was not answered\n"});
  }
};

void Responder::operator()(HttpResponse response) const {
  if (const auto respond = std::exchange(state_->respond, nullptr)) respond(std::move(response));
}

struct ResponderAccess {
  static Responder make(std::function<void(HttpResponse)> respond) {
    auto state = std::make_shared<Responder::State>();
    state->respond = std::move(respond);
    return Responder(std::move(state));
  }
};

namespace {

// After an error the rest of the request is read and thrown away for so long, so that the peer
// gets the answer rather than a reset.
constexpr Duration kLingerTimeout = 1s;
constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
// Out of descriptors: wait before trying again instead of spinning.
constexpr Duration kAcceptPause = 100ms;

HttpResponse plain(int status, std::string text) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
          .body = std::move(text)};
}

// What to answer to a request that could not be read; nothing: just close.
std::optional<HttpResponse> answer_to(const error_code& error, const HttpServerOptions& options) {
  if (error == http::error::body_limit) {
    return plain(413,
                 "the body is larger than " + std::to_string(options.body_bytes_max) + " bytes\n");
  }
  if (error == http::error::header_limit) {
    return plain(
        431, "the header is larger than " + std::to_string(options.header_bytes_max) + " bytes\n");
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) {
    return std::nullopt;
  }
  if (error.category() == make_error_code(http::error::end_of_stream).category()) {
    return plain(400, "this is not an HTTP/1.1 request: " + error.message() + "\n");
  }
  return std::nullopt;
}

bool can_be_sent(const HttpResponse& response) {
  if (response.status < 200 || response.status > 599) return false;
  for (const auto& [name, value] : response.headers) {
    if (!is_header_name(name) || !is_header_value(value)) return false;
  }
  return true;
}

}  // namespace

// ---- Server

class Session;

class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& the_loop, HttpServerOptions the_options, Handler the_handler)
      : loop(the_loop),
        options(std::move(the_options)),
        handler(std::make_shared<const Handler>(std::move(the_handler))),
        acceptor(loop.impl().context) {}

  void accept();
  void ended(Session* session);
  void shut_down();

  Loop& loop;
  const HttpServerOptions options;
  std::shared_ptr<const Handler> handler;  // empty: shut down
  tcp::acceptor acceptor;
  std::unordered_set<Session*> sessions;
  bool accepting = false;
  Timer accept_again;
};

// One connection. Alive as long as an operation or a Responder is pending.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<HttpServer::Impl> server, tcp::socket socket)
      : server_(std::move(server)), socket_(std::move(socket)) {
    server_->sessions.insert(this);
  }
  ~Session() { server_->ended(this); }

  void wait_for_request() {
    parser_.emplace();
    parser_->body_limit(server_->options.body_bytes_max);
    parser_->header_limit(static_cast<std::uint32_t>(server_->options.header_bytes_max));
    if (buffer_.size() > 0) {
      read_request();
      return;
    }
    close_after(server_->options.idle_timeout);
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this()](const error_code& error) {
                         if (!error) self->read_request();
                       });
  }

  void close() {
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  void read_request() {
    timer_ = server_->loop.call_after(server_->options.request_timeout, [this] {
      too_slow_ = true;
      error_code ignored;
      socket_.cancel(ignored);
    });
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](const error_code& error, std::size_t) {
                       self->timer_.cancel();
                       self->request_read(error);
                     });
  }

  void request_read(const error_code& error) {
    if (!socket_.is_open() || !server_->handler) return;
    if (error) {
      keep_alive_ = false;
      const auto answer = too_slow_ ? plain(408, "the request took too long to arrive\n")
                                    : answer_to(error, server_->options);
      if (answer) {
        write(*answer);
      } else {
        close();
      }
      return;
    }
    auto message = parser_->release();
    keep_alive_ = message.keep_alive();
    head_ = message.method() == http::verb::head;
    HttpRequest request;
    request.method = message.method_string();
    request.target = message.target();
    for (const auto& field : message) {
      const auto name = field.name_string();
      const auto value = field.value();
      request.headers.add({name.data(), name.size()}, {value.data(), value.size()});
    }
    request.body = std::move(message.body());
    const auto handler = server_->handler;  // outlives a server destroyed by its own handler
    (*handler)(std::move(request),
               ResponderAccess::make([self = shared_from_this()](const HttpResponse& response) {
                 if (self->socket_.is_open()) self->write(response);
               }));
  }

  void write(const HttpResponse& response) {
    if (!can_be_sent(response)) {
      write(plain(500, "the response has a status or header that HTTP cannot carry\n"));
      return;
    }
    auto message = std::make_shared<http::response<http::string_body>>();
    message->version(11);
    message->result(static_cast<unsigned>(response.status));
    for (const auto& [name, value] : response.headers) {
      if (equal_ignoring_case(name, "Content-Length")) continue;
      if (equal_ignoring_case(name, "Transfer-Encoding")) continue;
      message->insert(name, value);
    }
    message->keep_alive(keep_alive_);
    const bool has_body = response.status != 204 && response.status != 304;
    if (has_body) message->content_length(response.body.size());
    if (has_body && !head_) message->body() = response.body;
    close_after(server_->options.response_timeout);
    http::async_write(socket_, *message,
                      [self = shared_from_this(), message](const error_code& error, std::size_t) {
                        self->timer_.cancel();
                        self->written(error);
                      });
  }

  void written(const error_code& error) {
    if (error || !socket_.is_open() || !server_->handler) {
      close();
    } else if (keep_alive_) {
      wait_for_request();
    } else {
      error_code ignored;
      socket_.shutdown(tcp::socket::shutdown_send, ignored);
      close_after(kLingerTimeout);
      linger(0);
    }
  }

  void linger(std::size_t thrown_away) {
    buffer_.clear();
    socket_.async_read_some(
        buffer_.prepare(16 * 1024),
        [self = shared_from_this(), thrown_away](const error_code& error, std::size_t bytes) {
          if (error || thrown_away + bytes > kLingerBytesMax) {
            self->close();
          } else {
            self->linger(thrown_away + bytes);
          }
        });
  }

  void close_after(Duration limit) {
    timer_ = server_->loop.call_after(limit, [this] { close(); });
  }

  const std::shared_ptr<HttpServer::Impl> server_;
  tcp::socket socket_;
  Timer timer_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  bool keep_alive_ = false;
  bool head_ = false;
  bool too_slow_ = false;
};

void HttpServer::Impl::accept() {
  if (accepting || !handler || sessions.size() >= options.connections_max) return;
  accepting = true;
  acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
    self->accepting = false;
    if (!self->handler) return;
    if (error) {
      self->accept_again =
          self->loop.call_after(kAcceptPause, [impl = self.get()] { impl->accept(); });
      return;
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    std::make_shared<Session>(self, std::move(socket))->wait_for_request();
    self->accept();
  });
}

void HttpServer::Impl::ended(Session* session) {
  sessions.erase(session);
  accept();
}

void HttpServer::Impl::shut_down() {
  handler.reset();
  accept_again.cancel();
  error_code ignored;
  acceptor.close(ignored);
  for (Session* session : sessions) session->close();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(Loop& loop, HttpServerOptions options,
                                                      Handler handler) {
  auto impl = std::make_shared<Impl>(loop, std::move(options), std::move(handler));
  const std::string place = impl->options.address + ":" + std::to_string(impl->options.port);
  error_code error;
  const auto address = asio::ip::make_address(impl->options.address, error);
  if (error) {
    return Error{.code = "address",
                 .message = "cannot listen on '" + impl->options.address +
                            "', which is not an IP address; write for example 127.0.0.1",
                 .source = ""};
  }
  const tcp::endpoint endpoint(address, impl->options.port);
  tcp::acceptor& acceptor = impl->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error{.code = "listen",
                 .message = "cannot listen on " + place + ": " + error.message() +
                            "; choose another address or port, or port 0 for a free one",
                 .source = ""};
  }
  impl->accept();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->shut_down(); }

std::uint16_t HttpServer::port() const {
  error_code ignored;
  return impl_->acceptor.local_endpoint(ignored).port();
}

std::string HttpServer::url() const {
  const bool v6 = impl_->options.address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + impl_->options.address + "]" : impl_->options.address) + ":" +
         std::to_string(port());
}

}  // namespace switchgear::net
