#include "net/redis_client.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <utility>

#include "core/assert.h"
#include "core/random.h"
#include "net/clocks.h"
#include "net/loop_impl.h"
#include "net/redis_error.h"

namespace switchgear::net {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

// A connection on which nothing was heard for this many command time-outs, while commands wait for
// an answer, is taken for dead; until then a slow server is only slow.
constexpr int kSilentTimeouts = 5;

MonoTime mono_now() { return read_clocks().mono; }

std::string in_ms(Duration d) { return std::to_string(ceil_ms(d).count()) + " ms"; }

std::string replace_all(std::string text, const std::string& what, std::string_view with) {
  if (what.empty()) return text;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

}  // namespace

class RedisClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, RedisAddress address, const RedisOptions& options)
      : loop_(loop),
        address_(std::move(address)),
        name_(address_.name()),
        options_(options),
        random_(options.seed) {}

  const std::string& name() const { return name_; }
  bool connected() const { return phase_ == Phase::ready; }

  void command(std::vector<std::string> arguments, RedisCallback done) {
    SG_ASSERT(done != nullptr);
    if (waiting_.size() + sent_.size() >= options_.commands_max) {
      return answer_later(std::move(done),
                          error("full",
                                std::to_string(options_.commands_max) +
                                    " commands are waiting for this server already",
                                true));
    }
    const MonoTime now = mono_now();
    if (phase_ == Phase::idle && failed_attempts_ > 0 && now < retry_at_) {
      return answer_later(std::move(done), last_error_);
    }
    Command command{.bytes = {}, .done = std::move(done), .until = now + options_.command_timeout};
    resp::append_command(command.bytes, arguments);
    const bool subscribes = arguments[0] == "SUBSCRIBE" || arguments[0] == "UNSUBSCRIBE";
    if (subscribes) command.confirmations = arguments.size() - 1;
    waiting_.push_back(std::move(command));
    arm_command_timer(now);
    if (phase_ == Phase::idle) {
      connect();
    } else if (phase_ == Phase::ready) {
      send_waiting();
    }
  }

  void on_push(std::function<void(const resp::Value&)> push) { push_ = std::move(push); }
  void on_disconnect(std::function<void()> disconnected) {
    disconnected_ = std::move(disconnected);
  }

  // The end of the client: nothing is called any more.
  void abandon() {
    gone_ = true;
    close_connection();
    command_timer_.cancel();
    waiting_.clear();
    sent_.clear();
  }

 private:
  enum class Phase : unsigned char { idle, connecting, greeting, ready };

  struct Command {
    std::string bytes;
    RedisCallback done;
    MonoTime until;
    std::size_t confirmations = 0;  // pushes that answer it, instead of a reply
  };
  // A command on its way. After its time-out `done` is empty, but its place in the queue remains:
  // the server may still answer, in order.
  struct Sent {
    RedisCallback done;
    MonoTime until;
    std::size_t confirmations = 0;
  };
  // Asio's handlers hold it, so that its buffers live as long as they are used; they tell by
  // comparing with connection_ whether it still matters.
  struct Connection {
    Connection(asio::io_context& context, const resp::Limits& limits)
        : resolver(context), socket(context), parser(limits) {}
    tcp::resolver resolver;
    tcp::socket socket;
    resp::Parser parser;
    std::array<char, 16 * 1024> input{};
    std::string output;  // being written
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  Error error(std::string code, std::string message, bool retryable) const {
    return Error{.code = std::move(code),
                 .message = std::move(message),
                 .retryable = retryable,
                 .source = name_};
  }

  void answer_later(RedisCallback done, Error why) {
    loop_.post([self = shared_from_this(), done = std::move(done), why = std::move(why)] {
      if (!self->gone_) done(why);
    });
  }

  // ---- Connecting -------------------------------------------------------------------------

  void connect() {
    phase_ = Phase::connecting;
    connection_ = std::make_shared<Connection>(loop_.impl().context, options_.limits);
    connect_timer_ = loop_.call_after(options_.connect_timeout, [this] {
      const bool greeted = phase_ == Phase::greeting;
      attempt_failed(error("timeout",
                           greeted ? "connected, but got no answer to HELLO within " +
                                         in_ms(options_.connect_timeout) +
                                         "; is this really a Redis server, and is it healthy?"
                                   : "no connection within " + in_ms(options_.connect_timeout) +
                                         "; check host, port and network",
                           true));
    });
    connection_->resolver.async_resolve(
        address_.hosts[0].host, std::to_string(address_.hosts[0].port),
        [self = shared_from_this(), c = connection_](const error_code& failure,
                                                     tcp::resolver::results_type found) {
          if (!self->is_current(c)) return;
          if (failure) {
            return self->attempt_failed(self->error(
                "connect", "cannot find the host: " + failure.message() + "; check its name",
                true));
          }
          asio::async_connect(c->socket, found,
                              [self, c](const error_code& refused, const tcp::endpoint&) {
                                if (self->is_current(c)) self->tcp_connected(refused);
                              });
        });
  }

  void tcp_connected(const error_code& refused) {
    if (refused) {
      return attempt_failed(error("connect",
                                  "cannot connect: " + refused.message() +
                                      "; is the server running, and are host and port right?",
                                  true));
    }
    error_code ignored;
    connection_->socket.set_option(tcp::no_delay(true), ignored);
    connection_->socket.set_option(asio::socket_base::keep_alive(true), ignored);
    phase_ = Phase::greeting;
    std::vector<std::string> hello{"HELLO", "3"};
    if (!address_.password.empty()) {
      hello.insert(hello.end(),
                   {"AUTH", address_.user.empty() ? "default" : address_.user, address_.password});
    }
    hello.insert(hello.end(), {"SETNAME", "switchgear"});
    greetings_missing_ = 1;
    resp::append_command(to_send_, hello);
    if (address_.database != 0) {
      ++greetings_missing_;
      resp::append_command(to_send_,
                           std::vector<std::string>{"SELECT", std::to_string(address_.database)});
    }
    heard_at_ = mono_now();
    write();
    read();
  }

  void greeting_answered(const resp::Value& value) {
    if (value.kind == resp::Kind::error) return attempt_failed(greeting_error(value.text));
    const bool hello = greetings_missing_ == (address_.database != 0 ? 2 : 1);
    if (hello && value.kind != resp::Kind::map) {
      return attempt_failed(
          error("protocol", "answered HELLO unlike a Redis server; is this really one?", false));
    }
    if (--greetings_missing_ > 0) return;
    connect_timer_.cancel();
    phase_ = Phase::ready;
    failed_attempts_ = 0;
    send_waiting();
  }

  Error greeting_error(const std::string& reply) const {
    // Old servers quote the arguments of a command that they do not know, the password included.
    Error why = redis_error(replace_all(reply, address_.password, "***"), name_);
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

  // Ends an attempt to connect, and every command that waited for it.
  void attempt_failed(const Error& why) {
    const auto self = shared_from_this();  // a callback may destroy the client
    close_connection();
    ++failed_attempts_;
    retry_at_ = mono_now() + core::delay(options_.reconnect, failed_attempts_, random_);
    last_error_ = why;
    answer_all(std::exchange(waiting_, {}), why);
  }

  // ---- Connected --------------------------------------------------------------------------

  void send_waiting() {
    if (retiring_) return;
    for (; !waiting_.empty(); waiting_.pop_front()) {
      Command& command = waiting_.front();
      to_send_ += command.bytes;
      sent_.push_back({.done = std::move(command.done),
                       .until = command.until,
                       .confirmations = command.confirmations});
    }
    write();
  }

  void write() {
    if (to_send_.empty() || !connection_->output.empty()) return;
    connection_->output.swap(to_send_);
    asio::async_write(
        connection_->socket, asio::buffer(connection_->output),
        [self = shared_from_this(), c = connection_](const error_code& failure, std::size_t) {
          if (!self->is_current(c)) return;
          c->output.clear();
          if (failure) return self->lost(failure.message());
          self->write();
        });
  }

  void read() {
    connection_->socket.async_read_some(
        asio::buffer(connection_->input),
        [self = shared_from_this(), c = connection_](const error_code& failure, std::size_t size) {
          if (!self->is_current(c)) return;
          if (failure) {
            return self->lost(failure == asio::error::eof ? "the server closed it"
                                                          : failure.message());
          }
          self->heard(c, std::string_view(c->input.data(), size));
          if (self->is_current(c)) self->read();
        });
  }

  void heard(const ConnectionPtr& c, std::string_view input) {
    heard_at_ = mono_now();
    while (is_current(c)) {
      auto value = c->parser.next(input);
      if (!value) return not_redis(value.error().message);
      if (!*value) return;
      take(std::move(**value));
    }
  }

  void take(resp::Value value) {
    if (value.kind == resp::Kind::push && !confirms(value)) {
      if (push_) push_(value);
      return;
    }
    if (phase_ == Phase::greeting) return greeting_answered(value);
    if (sent_.empty()) return not_redis("an answer to no command");
    const Sent sent = std::move(sent_.front());
    sent_.pop_front();
    Result<resp::Value> result = std::move(value);
    if (result->kind == resp::Kind::error) {
      const Error why = redis_error(result->text, name_);
      // After a failover the same name may lead to the new primary.
      if (why.code == "READONLY") retiring_ = true;
      result = why;
    }
    if (retiring_ && sent_.empty()) {
      close_connection();
      if (!waiting_.empty()) connect();
    }
    if (sent.done) sent.done(std::move(result));
  }

  // Whether a push is the answer to the command at the front: its last confirmation.
  bool confirms(const resp::Value& push) {
    const bool confirmation = !push.items.empty() && (push.items[0].text == "subscribe" ||
                                                      push.items[0].text == "unsubscribe");
    return confirmation && !sent_.empty() && sent_.front().confirmations > 0 &&
           --sent_.front().confirmations == 0;
  }

  void not_redis(const std::string& why) {
    broken(error(
        "protocol",
        "answered with something that is not RESP (" + why + "); is this really a Redis server?",
        false));
  }

  void lost(const std::string& how) {
    if (phase_ != Phase::ready) {
      return attempt_failed(error("closed",
                                  "the connection ended before the server had answered HELLO (" +
                                      how + "); is this really a Redis server?",
                                  true));
    }
    const auto self = shared_from_this();
    const auto sent = std::exchange(sent_, {});
    close_connection();
    // These were never sent, so a new connection may carry them.
    if (!waiting_.empty()) connect();
    answer_all(sent, error("closed",
                           "the connection ended (" + how +
                               ") before the answer came; the command may have been carried out",
                           true));
  }

  // The peer is not to be trusted further: nobody gets an answer, and the next attempt waits.
  void broken(const Error& why) {
    const auto self = shared_from_this();
    const auto sent = std::exchange(sent_, {});
    attempt_failed(why);
    answer_all(sent, why);
  }

  void close_connection() {
    if (phase_ == Phase::ready && disconnected_ && !gone_) {
      loop_.post([self = shared_from_this()] {
        if (!self->gone_) self->disconnected_();
      });
    }
    if (connection_) {
      error_code ignored;
      connection_->resolver.cancel();
      connection_->socket.close(ignored);
      connection_.reset();
    }
    connect_timer_.cancel();
    to_send_.clear();
    retiring_ = false;
    phase_ = Phase::idle;
  }

  bool is_current(const ConnectionPtr& c) const { return c && c == connection_; }

  template <class Queue>
  void answer_all(Queue queue, const Error& why) {
    for (auto& command : queue) {
      if (gone_) return;
      if (command.done) command.done(why);
    }
  }

  // ---- Time-outs --------------------------------------------------------------------------

  // All commands have the same time to live, so the one that is due first is at a front. The
  // timer is not moved when it is answered: it then finds nothing due and is set anew.
  void arm_command_timer(MonoTime now) {
    if (gone_ || command_timer_.pending() || (waiting_.empty() && sent_.empty())) return;
    MonoTime due = MonoTime::max();
    if (!waiting_.empty()) due = waiting_.front().until;
    for (const Sent& sent : sent_) {
      if (!sent.done) continue;
      due = std::min(due, sent.until);
      break;
    }
    if (due == MonoTime::max()) due = now + options_.command_timeout;  // to notice silence
    command_timer_ = loop_.call_after(due - now, [this] { check_time(); });
  }

  void check_time() {
    const auto self = shared_from_this();
    const MonoTime now = mono_now();
    std::deque<Sent> late;
    for (Sent& sent : sent_) {
      if (sent.until > now) break;
      if (sent.done)
        late.push_back({.done = std::exchange(sent.done, nullptr), .until = sent.until});
    }
    while (!waiting_.empty() && waiting_.front().until <= now) {
      late.push_back({.done = std::move(waiting_.front().done), .until = waiting_.front().until});
      waiting_.pop_front();
    }
    const Error why = timed_out();
    const Duration silence = kSilentTimeouts * options_.command_timeout;
    if (!sent_.empty() && sent_.front().until + silence - options_.command_timeout <= now &&
        heard_at_ + silence <= now) {
      lost("nothing was heard for " + in_ms(now - heard_at_));
    }
    arm_command_timer(now);
    answer_all(std::move(late), why);
  }

  Error timed_out() const {
    const std::string time = in_ms(options_.command_timeout);
    switch (phase_) {
      case Phase::idle:
      case Phase::connecting:
        return error("timeout", "no connection within " + time + "; check host, port and network",
                     true);
      case Phase::greeting:
        return error("timeout",
                     "connected, but got no answer to HELLO within " + time +
                         "; is this really a Redis server, and is it healthy?",
                     true);
      case Phase::ready:
        break;
    }
    return error("timeout",
                 "no answer within " + time + "; the command may or may not have been carried out",
                 true);
  }

  Loop& loop_;
  const RedisAddress address_;
  const std::string name_;
  const RedisOptions options_;
  core::Random random_;

  Phase phase_ = Phase::idle;
  ConnectionPtr connection_;
  int greetings_missing_ = 0;
  std::string to_send_;
  std::deque<Command> waiting_;  // not sent yet
  std::deque<Sent> sent_;
  MonoTime heard_at_;
  bool retiring_ = false;  // answer what is sent, then connect anew
  bool gone_ = false;

  std::function<void(const resp::Value&)> push_;
  std::function<void()> disconnected_;

  std::uint64_t failed_attempts_ = 0;  // in a row
  MonoTime retry_at_;
  Error last_error_;

  Timer connect_timer_;
  Timer command_timer_;
};

RedisClient::RedisClient(Loop& loop, RedisAddress address, const RedisOptions& options)
    : impl_(std::make_shared<Impl>(loop, std::move(address), options)) {}
RedisClient::~RedisClient() { impl_->abandon(); }

void RedisClient::command(std::vector<std::string> arguments, RedisCallback done) {
  impl_->command(std::move(arguments), std::move(done));
}
void RedisClient::on_push(std::function<void(const resp::Value&)> push) {
  impl_->on_push(std::move(push));
}
void RedisClient::on_disconnect(std::function<void()> disconnected) {
  impl_->on_disconnect(std::move(disconnected));
}
const std::string& RedisClient::name() const { return impl_->name(); }
bool RedisClient::connected() const { return impl_->connected(); }

}  // namespace switchgear::net
