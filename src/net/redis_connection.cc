#include "net/redis_connection.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "core/assert.h"
#include "net/redis_error.h"
#include "net/tls.h"

namespace switchgear::net {
namespace {

using boost::system::error_code;

// A new token may not have reached the server yet.
constexpr Duration kAskAgainAfter = 100ms;

const char* const kUseTls = "begin the store's URL with rediss:// instead of redis://";

std::string without(const std::string& secret, std::string text) {
  if (secret.empty()) return text;
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3) {
    text.replace(at, secret.size(), "***");
  }
  return text;
}

bool is_closed(const error_code& failure) {
  return failure == asio::error::eof || failure == asio::ssl::error::stream_truncated;
}

RedisGreeting read_greeting(const resp::Value& map) {
  RedisGreeting greeting;
  for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
    const std::string& key = map.items[i].text;
    const std::string& text = map.items[i + 1].text;
    if (key == "mode" && text == "cluster") greeting.mode = RedisMode::cluster;
    if (key == "mode" && text == "sentinel") greeting.mode = RedisMode::sentinel;
    if (key == "role") greeting.replica = text == "replica" || text == "slave";
    if (key == "server") greeting.server = text;
    if (key == "version") greeting.version = text;
  }
  return greeting;
}

}  // namespace

RedisConnection::RedisConnection(Loop& loop, const RedisAddress& address, const RedisHost& host,
                                 const RedisOptions& options, std::uint64_t turn, Events events)
    : loop_(loop),
      address_(address),
      options_(options),
      host_(host),
      name_("redis " + host.text()),
      turn_(turn),
      events_(std::move(events)),
      resolver_(loop.impl().context),
      socket_(loop.impl().context),
      parser_(options.limits) {}

// ---- Connecting -----------------------------------------------------------------------------

// The name is looked up for every connection: after a failover it may lead elsewhere.
void RedisConnection::open() {
  resolver_.async_resolve(
      host_.host, std::to_string(host_.port), tcp::resolver::numeric_service,
      [self = shared_from_this()](const error_code& failure, const tcp::resolver::results_type& r) {
        if (self->stage_ == Stage::over) return;
        if (failure) {
          return self->end("connect",
                           "cannot find the host: " + failure.message() + "; check its name", true);
        }
        self->resolved(std::vector<tcp::endpoint>(r.begin(), r.end()));
      });
}

void RedisConnection::resolved(std::vector<tcp::endpoint> endpoints) {
  std::ranges::rotate(endpoints,
                      endpoints.begin() + static_cast<std::ptrdiff_t>(turn_ % endpoints.size()));
  auto held = std::make_shared<const std::vector<tcp::endpoint>>(std::move(endpoints));
  asio::async_connect(
      socket_, *held,
      [self = shared_from_this(), held](const error_code& refused, const tcp::endpoint&) {
        if (self->stage_ == Stage::over) return;
        if (refused) {
          return self->end("connect",
                           "cannot connect: " + refused.message() +
                               "; is the server running, and are host and port right?",
                           true);
        }
        error_code ignored;
        self->socket_.set_option(tcp::no_delay(true), ignored);
        self->socket_.set_option(asio::socket_base::keep_alive(true), ignored);
        self->address_.tls ? self->handshake() : self->ask_for_password();
      });
}

void RedisConnection::handshake() {
  stage_ = Stage::handshake;
  auto context = client_tls_context(*address_.tls);
  if (!context) return end("tls", context.error().message, false);
  tls_context_ = *std::move(context);
  tls_.emplace(socket_, *tls_context_);
  if (!expect_tls_host(tls_->native_handle(), host_.host)) {
    return end("tls", "the host name cannot be checked against a certificate", false);
  }
  tls_->async_handshake(asio::ssl::stream_base::client,
                        [self = shared_from_this()](const error_code& failure) {
                          if (self->stage_ == Stage::over) return;
                          failure ? self->broke(failure) : self->ask_for_password();
                        });
}

void RedisConnection::ask_for_password() {
  stage_ = Stage::password;
  if (!options_.password_source) {
    password_ = address_.password;
    return greet();
  }
  options_.password_source([weak = weak_from_this()](Result<std::string> password) {
    const auto self = weak.lock();
    if (!self || self->stage_ != Stage::password) return;
    // Out of the source's call: whoever hears of it may destroy what the source belongs to.
    self->loop_.post([self, password = std::move(password)]() mutable {
      if (self->stage_ != Stage::password) return;
      if (!password) return self->end(password.error());
      self->password_ = *std::move(password);
      self->greet();
    });
  });
}

void RedisConnection::greet() {
  stage_ = Stage::greeting;
  std::vector<std::string> hello{"HELLO", "3"};
  if (!password_.empty()) {
    hello.insert(hello.end(),
                 {"AUTH", address_.user.empty() ? "default" : address_.user, password_});
  }
  hello.insert(hello.end(), {"SETNAME", "switchgear"});
  resp::append_command(to_send_, hello);
  write();
  if (!asked_again_) read();
}

void RedisConnection::hello_answered(const resp::Value& value) {
  if (value.kind == resp::Kind::error) {
    const bool wrong = value.text.starts_with("WRONGPASS");
    if (!wrong || !options_.password_source || asked_again_) return end(refused(value.text));
    asked_again_ = true;
    again_timer_ = loop_.call_after(kAskAgainAfter, [this] { ask_for_password(); });
    return;
  }
  if (value.kind != resp::Kind::map) {
    return end("protocol", "answered HELLO unlike a Redis server; is this really one?", false);
  }
  greeting_ = read_greeting(value);
  if (auto wrong = wrong_peer()) return end(*std::move(wrong));
  if (address_.database == 0) return greeted();
  stage_ = Stage::database;
  resp::append_command(to_send_,
                       std::vector<std::string>{"SELECT", std::to_string(address_.database)});
  write();
}

void RedisConnection::select_answered(const resp::Value& value) {
  value.kind == resp::Kind::error ? end(refused(value.text)) : greeted();
}

void RedisConnection::greeted() {
  stage_ = Stage::ready;
  events_.ready(greeting_);
}

std::optional<Error> RedisConnection::wrong_peer() const {
  const bool sentinel = greeting_.mode == RedisMode::sentinel;
  if (options_.peer == RedisPeer::sentinel) {
    if (sentinel) return std::nullopt;
    return error("protocol",
                 "is no Sentinel but a Redis server; name the Sentinels, or write redis:// for the "
                 "server itself",
                 false);
  }
  if (sentinel) {
    return error("protocol",
                 "is a Sentinel, which holds no data; write redis+sentinel://" + host_.text() +
                     "/NAME with the name of the primary that it watches",
                 false);
  }
  if (greeting_.mode == RedisMode::cluster && address_.database != 0) {
    return error("database",
                 "a cluster has only the database 0; leave /" + std::to_string(address_.database) +
                     " out of the store's URL",
                 false);
  }
  if (options_.peer == RedisPeer::primary && greeting_.mode == RedisMode::standalone &&
      greeting_.replica) {
    return error("READONLY", "the server is a read-only replica", true);
  }
  return std::nullopt;
}

Error RedisConnection::refused(const std::string& reply) const {
  // Old servers quote the arguments of a command that they do not know, the password included.
  Error why = redis_error(without(password_, reply), name_, options_.acl_rule);
  if (reply.starts_with("NOPROTO") || reply.starts_with("ERR unknown command")) {
    return error("protocol",
                 "the server does not know HELLO 3; Redis 6 or later or Valkey is needed", false);
  }
  if (reply.starts_with("ERR DB index")) {
    return error("database",
                 "the server has no database " + std::to_string(address_.database) +
                     "; check the number at the end of the store's URL",
                 false);
  }
  if (reply.starts_with("ERR max number of clients")) why.retryable = true;
  return why;
}

std::string RedisConnection::still_waiting(const std::string& time) const {
  switch (stage_) {
    case Stage::handshake:
      return "connected, but there was no TLS handshake within " + time +
             "; is this the server's TLS port? For one without TLS begin the store's URL with "
             "redis:// instead of rediss://";
    case Stage::password:
      return "connected, but there was no password from its source within " + time;
    case Stage::greeting:
      return "connected, but got no answer to HELLO within " + time +
             "; is this really a Redis server, and is it healthy?";
    default:
      return "no connection within " + time + "; check host, port and network";
  }
}

// ---- Reading and writing --------------------------------------------------------------------

void RedisConnection::send(std::string_view bytes) {
  to_send_ += bytes;
  write();
}

void RedisConnection::write() {
  if (to_send_.empty() || !output_.empty()) return;
  output_.swap(to_send_);
  with_stream([this](auto& stream) {
    asio::async_write(stream, asio::buffer(output_),
                      [self = shared_from_this()](const error_code& failure, std::size_t) {
                        if (self->stage_ == Stage::over) return;
                        self->output_.clear();
                        // The reader knows better how it ended: what the peer said last may tell.
                        if (!failure) self->write();
                      });
  });
}

void RedisConnection::read() {
  with_stream([this](auto& stream) {
    stream.async_read_some(asio::buffer(input_), [self = shared_from_this()](
                                                     const error_code& failure, std::size_t size) {
      if (self->stage_ == Stage::over) return;
      if (failure) return self->broke(failure);
      self->heard(std::string_view(self->input_.data(), size));
      if (self->stage_ != Stage::over) self->read();
    });
  });
}

void RedisConnection::heard(std::string_view input) {
  if (stage_ != Stage::ready && !tls_ && is_tls_alert(input)) {
    return end("protocol", std::string("the server speaks TLS here; ") + kUseTls, false);
  }
  while (stage_ != Stage::over) {
    auto value = parser_.next(input);
    if (!value) {
      return end("protocol",
                 "answered with something that is not RESP (" + value.error().message +
                     "); is this really a Redis server?",
                 false);
    }
    if (!*value) return;
    switch (stage_) {
      case Stage::ready:
        events_.value(std::move(**value));
        break;
      case Stage::greeting:
        hello_answered(**value);
        break;
      case Stage::database:
        select_answered(**value);
        break;
      default:
        return end("protocol", "answered what nobody asked; is this really a Redis server?", false);
    }
  }
}

void RedisConnection::broke(const error_code& failure) {
  const bool of_tls = failure.category() == asio::error::get_ssl_category();
  if (stage_ == Stage::handshake || (of_tls && stage_ != Stage::ready)) {
    // A server that is going down closes in the middle of a handshake: no reason to give up.
    const bool retryable = is_closed(failure) || !of_tls;
    std::string how = tls_failure(tls_->native_handle(), failure, "ca_file in the store's URL",
                                  "cert_file and key_file in the store's URL");
    if (SSL_get_verify_result(tls_->native_handle()) == X509_V_OK &&
        SSL_get0_peer_certificate(tls_->native_handle()) == nullptr) {
      how += "; for a server without TLS begin the store's URL with redis:// instead of rediss://";
    }
    return end("tls", "the TLS handshake failed: " + how, retryable);
  }
  const std::string how = is_closed(failure) ? "the server closed it" : failure.message();
  if (stage_ == Stage::ready) return end("closed", how, true);
  end("closed",
      "the connection ended before the server had answered HELLO (" + how +
          "); is this really a Redis server?" +
          (tls_ ? std::string() : std::string(" If it speaks TLS, ") + kUseTls),
      true);
}

// ---- The end --------------------------------------------------------------------------------

void RedisConnection::close() {
  stage_ = Stage::over;
  error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);
  again_timer_.cancel();
}

void RedisConnection::end(std::string code, std::string message, bool retryable) {
  end(error(std::move(code), std::move(message), retryable));
}

void RedisConnection::end(Error why) {
  const auto self = shared_from_this();
  close();
  // Its owner holds this connection, and this connection its owner's functions.
  const auto ended = std::exchange(events_, {}).ended;
  ended(std::move(why));
}

Error RedisConnection::error(std::string code, std::string message, bool retryable) const {
  return Error{.code = std::move(code),
               .message = std::move(message),
               .retryable = retryable,
               .source = name_};
}

template <class F>
void RedisConnection::with_stream(F f) {
  if (tls_) {
    f(*tls_);
  } else {
    f(socket_);
  }
}

}  // namespace switchgear::net
