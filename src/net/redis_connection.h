// One connection to one Redis host: name, TCP, TLS, greeting; then values in, bytes out. What a
// RedisClient is made on. Only for .cc files of net/: it brings in Asio.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/loop_impl.h"
#include "net/redis_client.h"
#include "net/resp.h"

namespace switchgear::net {

// Belongs to the thread of its loop. Nothing is called after close() or after `ended`, and nothing
// from inside open() or send().
class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  struct Events {
    // Greeted, logged in, in its database; send() may be used from now on.
    std::function<void(const RedisGreeting&)> ready;
    // After that: each value that comes.
    std::function<void(resp::Value)> value;
    // It cannot be made, or is over. Before `ready` the error is that of the attempt; after it,
    // "closed" (the message says how), or "protocol": the peer is none to trust.
    std::function<void(Error)> ended;
  };

  // `host` is the one of the address to connect to. `turn` counts the attempts at this host: a name
  // with several addresses is begun with another each time. `loop` outlives it.
  RedisConnection(Loop& loop, const RedisAddress& address, const RedisHost& host,
                  const RedisOptions& options, std::uint64_t turn, Events events);

  void open();
  void send(std::string_view bytes);
  void close();

  // Why it is not ready yet, should the time be up: "no connection within 1000 ms; …".
  std::string still_waiting(const std::string& time) const;
  // What the last login used; must not be shown.
  const std::string& password() const { return password_; }

 private:
  using tcp = asio::ip::tcp;
  enum class Stage : unsigned char {
    connecting,
    handshake,
    password,
    greeting,
    database,
    ready,
    over
  };

  void resolved(std::vector<tcp::endpoint> endpoints);
  void handshake();
  void ask_for_password();
  void greet();
  void read();
  void heard(std::string_view input);
  void hello_answered(const resp::Value& value);
  void select_answered(const resp::Value& value);
  void greeted();
  void write();
  void broke(const boost::system::error_code& failure);
  void end(std::string code, std::string message, bool retryable);
  void end(Error why);
  Error refused(const std::string& reply) const;
  // Empty: the peer is what it should be.
  std::optional<Error> wrong_peer() const;
  Error error(std::string code, std::string message, bool retryable) const;
  template <class F>
  void with_stream(F f);

  Loop& loop_;
  const RedisAddress& address_;
  const RedisOptions& options_;
  const RedisHost host_;
  const std::string name_;
  const std::uint64_t turn_;
  Events events_;

  Stage stage_ = Stage::connecting;
  tcp::resolver resolver_;
  tcp::socket socket_;
  std::shared_ptr<asio::ssl::context> tls_context_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  resp::Parser parser_;
  std::array<char, 16'384> input_{};
  std::string output_;  // being written
  std::string to_send_;
  std::string password_;
  bool asked_again_ = false;  // for the password
  RedisGreeting greeting_;
  Timer again_timer_;
};

}  // namespace switchgear::net
