#include "net/redis_sentinel.h"

#include <algorithm>
#include <list>
#include <utility>

#include "core/assert.h"
#include "net/clocks.h"
#include "net/redis_answering.h"

namespace switchgear::net {
namespace {

constexpr std::size_t kSentinelsMax = 32;
// A Sentinel that does not answer must leave time for the others: for so many in all.
constexpr int kSentinelsPerTimeout = 3;
// Between two rounds of questions: while the primary is in trouble, and while only the Sentinels
// are.
constexpr core::Backoff kInTrouble{.base = 50ms, .cap = 1s, .jitter = core::Jitter::equal};
constexpr core::Backoff kAtEase{.base = 1s, .cap = 15s, .jitter = core::Jitter::equal};

MonoTime mono_now() { return read_clocks().mono; }

// Whether another server may be the primary by now.
bool is_trouble(const Error& why) {
  return why.code == "closed" || why.code == "connect" || why.code == "timeout" ||
         why.code == "READONLY" || why.code == "tls" || why.code == "protocol";
}

std::optional<RedisHost> host_of(const std::string& host, const std::string& port) {
  const std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const auto address = redis_address("redis://" + text + ":" + port);
  if (!address) return std::nullopt;
  return address->hosts[0];
}

// Of a map, or of a list of names and values in turn.
std::string member(const resp::Value& map, std::string_view name) {
  for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
    if (map.items[i].text == name) return map.items[i + 1].text;
  }
  return {};
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace

class RedisSentinelRoute::Impl : public RedisAnswering, public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, RedisAddress address, const RedisOptions& options)
      : RedisAnswering(loop, address.name()),
        address_(std::move(address)),
        options_(options),
        random_(options.seed),
        sentinels_(address_.hosts) {
    options_.peer = RedisPeer::primary;
  }

  void command(std::vector<std::string> arguments, RedisCallback done) {
    SG_ASSERT(done != nullptr);
    if (primary_) return forward(std::move(arguments), std::move(done));
    auto once = std::make_shared<Once>(Once{.done = std::move(done), .timer = {}});
    once->timer = loop_.call_after(options_.command_timeout, [this, weak = std::weak_ptr(once)] {
      const auto late = weak.lock();
      if (late && late->done) std::exchange(late->done, nullptr)(too_late());
    });
    when_there_is_a_primary(
        [this, once, arguments = std::move(arguments)](const Result<void>& found) mutable {
          if (!once->done) return;
          const auto answer = [once](const Result<resp::Value>& value) {
            once->timer.cancel();
            if (once->done) std::exchange(once->done, nullptr)(value);
          };
          found ? forward(std::move(arguments), answer) : answer(found.error());
        });
  }

  void subscriber(SubscriberCallback done) {
    when_there_is_a_primary([this, done = std::move(done)](const Result<void>& found) {
      if (!found) return done(found.error());
      done(std::make_unique<RedisClient>(loop_, address_.at(primary_->host), options_));
    });
  }

  void primaries(PrimariesCallback done) {
    when_there_is_a_primary([this, done = std::move(done)](const Result<void>& found) {
      if (!found) return done(found.error());
      const RedisHost& host = primary_->host;
      auto client = std::make_shared<RedisClient>(loop_, address_.at(host), options_);
      done(
          RedisPrimaries{.each = {{.name = host.text(), .client = std::move(client), .slot = {}}}});
    });
  }

  // The end: nothing is called any more.
  void abandon() {
    leave();
    waiting_.clear();
    primary_.reset();
    primaries_.clear();
    asking_.reset();
    listener_.reset();
    look_timer_.cancel();
  }

 private:
  using Then = std::function<void(const Result<void>&)>;
  // A command that waited for a primary: its time runs from the beginning.
  struct Once {
    RedisCallback done;
    Timer timer;
  };
  struct Primary {
    RedisHost host;
    std::unique_ptr<RedisClient> client;
    std::size_t pending = 0;
  };

  Error too_late() const {
    return error("timeout",
                 "no primary was found within " +
                     std::to_string(ceil_ms(options_.command_timeout).count()) + " ms" + said(),
                 true);
  }

  // ---- Commands ---------------------------------------------------------------------------

  void forward(std::vector<std::string> arguments, RedisCallback done) {
    ++primary_->pending;
    primary_->client->command(std::move(arguments),
                              [this, weak = std::weak_ptr(primary_),
                               done = std::move(done)](const Result<resp::Value>& value) {
                                const auto self = shared_from_this();
                                const auto primary = weak.lock();  // held, should the answer end it
                                answered(*primary, value);
                                done(value);
                              });
  }

  void answered(Primary& primary, const Result<resp::Value>& value) {
    const bool current = primary_ && &primary == primary_.get();
    if (--primary.pending == 0 && !current) {
      std::erase_if(primaries_, [&](const auto& each) { return each.get() == &primary; });
    }
    if (!current) return;
    if (value || !is_trouble(value.error())) {
      looks_ = 0;
    } else {
      look_again(kInTrouble);
    }
  }

  void when_there_is_a_primary(Then then) {
    if (primary_ || mono_now() < refused_until_ || waiting_.size() >= options_.commands_max) {
      const Result<void> answer =
          primary_ ? Result<void>{}
          : mono_now() < refused_until_
              ? Result<void>{last_error_}
              : Result<void>{error("full", "too many commands wait for a primary", true)};
      return loop_.post([self = shared_from_this(), answer, then = std::move(then)] {
        if (self->gone()) return;
        answer && !self->primary_ ? self->when_there_is_a_primary(then) : then(answer);
      });
    }
    waiting_.push_back(std::move(then));
    if (!asking_) ask();
  }

  void answer_waiting(const Result<void>& answer) {
    const auto self = shared_from_this();
    for (Then& then : std::exchange(waiting_, {})) {
      if (gone()) return;
      then(answer);
    }
  }

  void use(const RedisHost& host) {
    if (!primary_ || primary_->host != host) {
      // What is under way at the old one is still answered.
      if (primary_ && primary_->pending > 0) primaries_.push_back(primary_);
      auto client = std::make_unique<RedisClient>(loop_, address_.at(host), options_);
      primary_ = std::make_shared<Primary>(Primary{.host = host, .client = std::move(client)});
    }
    answer_waiting({});
  }

  // ---- Questions --------------------------------------------------------------------------

  void look_again(const core::Backoff& backoff) {
    if (asking_ || gone()) return;
    const MonoTime due = looked_at_ + core::delay(backoff, looks_ + 1, random_);
    if (look_timer_.pending() && due >= look_due_) return;
    look_due_ = due;
    look_timer_ = loop_.call_after(due - mono_now(), [this] {
      if (!asking_) ask();
    });
  }

  void ask() {
    look_timer_.cancel();
    looked_at_ = mono_now();
    ++looks_;
    said_.clear();
    unknown_ = 0;
    ask_next();
  }

  void ask_next() {
    if (said_.size() >= sentinels_.size()) return nobody_knows();
    const RedisHost host = sentinels_[said_.size()];
    const int shares = std::min(kSentinelsPerTimeout, static_cast<int>(sentinels_.size()));
    RedisOptions options{
        .command_timeout = std::max<Duration>(options_.connect_timeout / shares, 1ms),
        .limits = options_.limits,
        .seed = options_.seed,
        .peer = RedisPeer::sentinel,
        .password_source = nullptr,
        .acl_rule = "&+switch-master +ping +sentinel +subscribe"};
    options.connect_timeout = options.command_timeout;
    asking_ = std::make_unique<RedisClient>(loop_, address_.at_sentinel(host), options);
    asking_->command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", address_.primary_name},
                     [this, host](const Result<resp::Value>& value) { told(host, value); });
  }

  void told(const RedisHost& sentinel, const Result<resp::Value>& value) {
    if (!value) return next_after(sentinel, value.error().message);
    if (value->kind == resp::Kind::null) return ask_for_names(sentinel);
    const auto host = value->items.size() == 2 ? host_of(value->items[0].text, value->items[1].text)
                                               : std::nullopt;
    if (!host) return next_after(sentinel, "answered unlike a Sentinel");
    // The next question goes to this one first.
    std::ranges::rotate(sentinels_, std::ranges::find(sentinels_, sentinel));
    listen();
    use(*host);
  }

  void ask_for_names(const RedisHost& sentinel) {
    asking_->command({"SENTINEL", "MASTERS"}, [this, sentinel](const Result<resp::Value>& value) {
      ++unknown_;
      std::string names;
      if (value) {
        for (const resp::Value& each : value->items) {
          names += (names.empty() ? "" : ", ") + member(each, "name");
        }
      }
      next_after(sentinel, "watches no such primary" +
                               (names.empty() ? std::string() : ", but these: " + names));
    });
  }

  void next_after(const RedisHost& sentinel, const std::string& said) {
    said_.push_back(sentinel.text() + ": " + said);
    asking_.reset();
    ask_next();
  }

  std::string said() const {
    std::string text;
    for (const std::string& each : said_) text += "; " + each;
    return text;
  }

  void nobody_knows() {
    const bool unknown = unknown_ == said_.size();
    last_error_ = error("sentinel",
                        "no Sentinel names the primary '" + address_.primary_name + "'" + said() +
                            (unknown ? "; check the name after the hosts in the store's URL" : ""),
                        !unknown);
    refused_until_ = mono_now() + core::delay(options_.reconnect, ++refusals_, random_);
    if (primary_) look_again(kAtEase);
    answer_waiting(last_error_);
  }

  // The Sentinel that has answered tells of the next failover, and of the other Sentinels.
  void listen() {
    refusals_ = 0;
    listener_ = std::move(asking_);
    listener_->on_push([this](const resp::Value& value) { pushed(value); });
    listener_->on_disconnect([this] {
      listener_.reset();
      look_again(kAtEase);
    });
    listener_->command({"SUBSCRIBE", "+switch-master"}, [](const Result<resp::Value>&) {});
    listener_->command({"SENTINEL", "SENTINELS", address_.primary_name},
                       [this](const Result<resp::Value>& value) {
                         if (value) learn(*value);
                       });
  }

  void learn(const resp::Value& list) {
    for (const resp::Value& each : list.items) {
      const auto host = host_of(member(each, "ip"), member(each, "port"));
      const bool known = host && std::ranges::find(sentinels_, *host) != sentinels_.end();
      if (host && !known && sentinels_.size() < kSentinelsMax) sentinels_.push_back(*host);
    }
  }

  // "orders 10.0.0.1 6379 10.0.0.2 6379": from there to there.
  void pushed(const resp::Value& value) {
    if (value.items.size() != 3 || value.items[0].text != "message") return;
    const std::vector<std::string> words = words_of(value.items[2].text);
    if (words.size() != 5 || words[0] != address_.primary_name) return;
    if (const auto host = host_of(words[3], words[4])) use(*host);
  }

  const RedisAddress address_;
  RedisOptions options_;
  core::Random random_;

  std::deque<Then> waiting_;
  std::shared_ptr<Primary> primary_;
  std::vector<std::shared_ptr<Primary>> primaries_;  // earlier ones that still owe answers

  std::vector<RedisHost> sentinels_;
  std::unique_ptr<RedisClient> asking_;
  std::vector<std::string> said_;  // in this round, by those who named no primary
  std::size_t unknown_ = 0;        // of them, those who do not know its name
  std::unique_ptr<RedisClient> listener_;

  std::uint64_t looks_ = 0;  // since the primary last answered
  MonoTime looked_at_;
  MonoTime look_due_;
  Timer look_timer_;
  std::uint64_t refusals_ = 0;  // rounds in a row without a primary
  MonoTime refused_until_;
  Error last_error_;
};

RedisSentinelRoute::RedisSentinelRoute(Loop& loop, RedisAddress address,
                                       const RedisOptions& options)
    : impl_(std::make_shared<Impl>(loop, std::move(address), options)) {}
RedisSentinelRoute::~RedisSentinelRoute() { impl_->abandon(); }

void RedisSentinelRoute::command(const std::string& /*key*/, std::vector<std::string> arguments,
                                 RedisCallback done) {
  impl_->command(std::move(arguments), std::move(done));
}
void RedisSentinelRoute::keys(const std::string& pattern, KeysCallback done) {
  scan_keys(
      [this](std::vector<std::string> words, RedisCallback answered) {
        impl_->command(std::move(words), std::move(answered));
      },
      pattern, name(), std::move(done));
}
void RedisSentinelRoute::subscriber(SubscriberCallback done) { impl_->subscriber(std::move(done)); }
void RedisSentinelRoute::primaries(PrimariesCallback done) { impl_->primaries(std::move(done)); }
const std::string& RedisSentinelRoute::name() const { return impl_->name(); }

}  // namespace switchgear::net
