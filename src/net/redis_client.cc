#include "net/redis_client.h"

#include <deque>
#include <utility>

#include "core/assert.h"
#include "core/random.h"
#include "net/clocks.h"
#include "net/redis_answering.h"
#include "net/redis_connection.h"
#include "net/redis_error.h"

namespace switchgear::net {
namespace {

// A connection on which nothing was heard for this many command time-outs, while commands wait for
// an answer, is taken for dead; until then a slow server is only slow.
constexpr int kSilentTimeouts = 5;

MonoTime mono_now() { return read_clocks().mono; }

std::string in_ms(Duration d) { return std::to_string(ceil_ms(d).count()) + " ms"; }

}  // namespace

class RedisClient::Impl : public RedisAnswering, public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, RedisAddress address, const RedisOptions& options)
      : RedisAnswering(loop, address.name()),
        address_(std::move(address)),
        options_(options),
        random_(options.seed) {
    SG_ASSERT(!address_.hosts.empty());
    // One of several hosts is as good as another only if it takes writes.
    if (address_.hosts.size() > 1 && options_.peer == RedisPeer::server) {
      options_.peer = RedisPeer::primary;
    }
  }

  const RedisGreeting& greeting() const { return greeting_; }
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
    leave();
    close_connection();
    command_timer_.cancel();
    waiting_.clear();
    sent_.clear();
  }

 private:
  enum class Phase : unsigned char { idle, connecting, ready };

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
  // ---- Connecting -------------------------------------------------------------------------

  void connect() {
    phase_ = Phase::connecting;
    hosts_failed_.clear();
    connect_timer_ = loop_.call_after(options_.connect_timeout, [this] {
      attempt_failed(
          error("timeout", connection_->still_waiting(in_ms(options_.connect_timeout)), true));
    });
    try_host();
  }

  void try_host() {
    const std::size_t count = address_.hosts.size();
    const RedisHost& host = address_.hosts[(failed_attempts_ + hosts_failed_.size()) % count];
    const auto with_self = [weak = weak_from_this()](auto then) {
      return [weak, then](auto&&... what) {
        if (const auto self = weak.lock()) then(*self, std::forward<decltype(what)>(what)...);
      };
    };
    connection_ = std::make_shared<RedisConnection>(
        loop_, address_, host, options_, failed_attempts_ / count,
        RedisConnection::Events{
            .ready = with_self([](Impl& self, const RedisGreeting& what) { self.ready(what); }),
            .value = with_self([](Impl& self, resp::Value value) { self.take(std::move(value)); }),
            .ended = with_self([](Impl& self, Error why) { self.ended(std::move(why)); })});
    connection_->open();
  }

  void ready(const RedisGreeting& greeting) {
    greeting_ = greeting;
    connect_timer_.cancel();
    phase_ = Phase::ready;
    failed_attempts_ = 0;
    heard_at_ = mono_now();
    if (options_.password_source) renew_password_after(options_.password_renewal, 0.9);
    send_waiting();
  }

  void ended(Error why) {
    if (phase_ == Phase::ready) {
      return why.code == "closed" ? lost(why.message) : broken(why);
    }
    const bool final = why.code == "auth";  // elsewhere it is no other
    hosts_failed_.push_back(std::move(why));
    if (final || hosts_failed_.size() >= address_.hosts.size()) {
      return attempt_failed(failure_of_all());
    }
    try_host();
  }

  Error failure_of_all() const {
    if (hosts_failed_.size() == 1) return hosts_failed_.front();
    Error all =
        error(hosts_failed_.front().code,
              "none of the " + std::to_string(hosts_failed_.size()) + " hosts can be used", false);
    for (const Error& why : hosts_failed_) {
      all.message += "; " + why.source + ": " + why.message;
      all.retryable |= why.retryable;
    }
    return all;
  }

  // ---- A password that changes ------------------------------------------------------------

  void renew_password_after(Duration time, double least) {
    const double part = least + (1 - least) * random_.unit();
    renewal_timer_ = loop_.call_after(std::chrono::duration_cast<Duration>(time * part),
                                      [this] { renew_password(); });
  }

  // Whatever goes wrong, the connection goes on with what it has for as long as the server lets it.
  void renew_password() {
    renew_password_after(options_.password_renewal / 20, 0.5);  // unless it succeeds
    options_.password_source([weak = weak_from_this(),
                              c = std::weak_ptr(connection_)](const Result<std::string>& password) {
      const auto self = weak.lock();
      const auto connection = c.lock();
      if (!self || !password || !connection || connection != self->connection_) return;
      const std::string& user = self->address_.user;
      self->command({"AUTH", user.empty() ? "default" : user, *password},
                    [raw = self.get()](const Result<resp::Value>& answer) {
                      // A refusal may come as a value, see error_replies_as_values.
                      if (!answer || answer->kind == resp::Kind::error) return;
                      if (raw->phase_ != Phase::ready) return;
                      raw->renew_password_after(raw->options_.password_renewal, 0.9);
                    });
    });
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
    std::string bytes;
    for (; !waiting_.empty(); waiting_.pop_front()) {
      Command& command = waiting_.front();
      bytes += command.bytes;
      sent_.push_back({.done = std::move(command.done),
                       .until = command.until,
                       .confirmations = command.confirmations});
    }
    if (!bytes.empty()) connection_->send(bytes);
  }

  void take(resp::Value value) {
    heard_at_ = mono_now();
    if (value.kind == resp::Kind::push && !confirms(value)) {
      if (push_) push_(value);
      return;
    }
    if (sent_.empty()) {
      return broken(error("protocol",
                          "answered with something that is not RESP (an answer to no command); is "
                          "this really a Redis server?",
                          false));
    }
    const Sent sent = std::move(sent_.front());
    sent_.pop_front();
    Result<resp::Value> result = std::move(value);
    if (result->kind == resp::Kind::error) {
      const Error why = redis_error(result->text, name_, options_.acl_rule);
      // After a failover the same name may lead to the new primary.
      if (why.code == "READONLY") retiring_ = true;
      if (!options_.error_replies_as_values) result = why;
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
    if (!confirmation || sent_.empty() || sent_.front().confirmations == 0) return false;
    --sent_.front().confirmations;
    return sent_.front().confirmations == 0;
  }

  void lost(const std::string& how) {
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
    if (phase_ == Phase::ready && disconnected_ && !gone()) {
      loop_.post([self = shared_from_this()] {
        if (!self->gone()) self->disconnected_();
      });
    }
    if (connection_) connection_->close();
    connection_.reset();
    connect_timer_.cancel();
    renewal_timer_.cancel();
    retiring_ = false;
    phase_ = Phase::idle;
  }

  template <class Queue>
  void answer_all(const Queue& queue, const Error& why) {
    for (const auto& command : queue) {
      if (gone()) return;
      if (command.done) command.done(why);
    }
  }

  // ---- Time-outs --------------------------------------------------------------------------

  // All commands have the same time to live, so the one that is due first is at a front. The
  // timer is not moved when it is answered: it then finds nothing due and is set anew.
  void arm_command_timer(MonoTime now) {
    if (gone() || command_timer_.pending() || (waiting_.empty() && sent_.empty())) return;
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
    answer_all(late, why);
  }

  Error timed_out() const {
    const std::string time = in_ms(options_.command_timeout);
    if (phase_ == Phase::connecting) {
      return error("timeout", connection_->still_waiting(time), true);
    }
    if (phase_ == Phase::idle) {
      return error("timeout", "no connection within " + time + "; check host, port and network",
                   true);
    }
    return error("timeout",
                 "no answer within " + time + "; the command may or may not have been carried out",
                 true);
  }

  const RedisAddress address_;
  RedisOptions options_;
  core::Random random_;

  Phase phase_ = Phase::idle;
  std::shared_ptr<RedisConnection> connection_;
  RedisGreeting greeting_;
  std::vector<Error> hosts_failed_;  // of this attempt
  std::deque<Command> waiting_;      // not sent yet
  std::deque<Sent> sent_;
  MonoTime heard_at_;
  bool retiring_ = false;  // answer what is sent, then connect anew

  std::function<void(const resp::Value&)> push_;
  std::function<void()> disconnected_;

  std::uint64_t failed_attempts_ = 0;  // in a row
  MonoTime retry_at_;
  Error last_error_;

  Timer connect_timer_;
  Timer renewal_timer_;
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
const RedisGreeting& RedisClient::greeting() const { return impl_->greeting(); }
bool RedisClient::connected() const { return impl_->connected(); }

}  // namespace switchgear::net
