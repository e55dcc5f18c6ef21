#include "stores/redis_watch.h"

#include <algorithm>
#include <utility>

namespace switchgear::stores {
namespace {

constexpr std::size_t kChannelsPerCommand = 500;
constexpr Duration kPingPeriod = 15s;
constexpr core::Backoff kRetry{.base = 1s, .cap = 15s, .jitter = core::Jitter::equal};

}  // namespace

RedisWatch::RedisWatch(net::Loop& loop, net::RedisRoute& route, std::uint64_t seed)
    : loop_(loop), route_(route), random_(seed) {}

void RedisWatch::subscribe(const std::string& channel) {
  if (!channels_.insert(channel).second) return;
  if (waiting_) return;
  if (!client_ && !opening_) open();
  leaving_.erase(channel);
  joining_.insert(channel);
  flush_soon();
}

void RedisWatch::unsubscribe(const std::string& channel) {
  if (channels_.erase(channel) == 0 || waiting_) return;
  // Also one that is about to join: it may be there already, from before it last left.
  joining_.erase(channel);
  leaving_.insert(channel);
  flush_soon();
}

void RedisWatch::open() {
  opening_ = true;
  route_.subscriber(
      [this, alive = std::weak_ptr(alive_)](Result<std::unique_ptr<net::RedisClient>> client) {
        if (!alive.expired()) opened(std::move(client));
      });
}

void RedisWatch::opened(Result<std::unique_ptr<net::RedisClient>> client) {
  opening_ = false;
  if (!client) return start_over();
  client_ = *std::move(client);
  client_->on_push([this](const net::resp::Value& value) { pushed(value); });
  client_->on_disconnect([this] { start_over(); });
  keep_alive();
  flush_soon();
}

// Together, since circuits come and go in crowds.
void RedisWatch::flush_soon() {
  if (!flush_timer_.pending()) {
    flush_timer_ = loop_.call_after(0s, [this] { flush(); });
  }
}

void RedisWatch::flush() {
  if (!client_) return;
  const auto send_all = [this](const char* verb, std::set<std::string> channels) {
    std::vector<std::string> words{verb};
    for (auto it = channels.begin(); it != channels.end();) {
      words.push_back(std::move(channels.extract(it++).value()));
      if (words.size() <= kChannelsPerCommand && it != channels.end()) continue;
      client_->command(std::exchange(words, {verb}), [this](const auto& answer) {
        if (!answer) return start_over();
        failures_ = 0;
      });
    }
  };
  send_all("UNSUBSCRIBE", std::exchange(leaving_, {}));
  send_all("SUBSCRIBE", std::exchange(joining_, {}));
}

// Subscriptions are tied to a connection, and after an error it is not known which there are.
void RedisWatch::start_over() {
  if (waiting_) return;
  waiting_ = true;
  joining_.clear();
  leaving_.clear();
  client_.reset();
  retry_timer_ = loop_.call_after(core::delay(kRetry, ++failures_, random_), [this] {
    waiting_ = false;
    joining_ = channels_;
    open();
  });
}

// A peer that has vanished without a word is found out by the client's own time-outs.
void RedisWatch::keep_alive() {
  ping_timer_ = loop_.call_after(kPingPeriod, [this] {
    if (client_) client_->command({"PING"}, [](const auto&) {});
    keep_alive();
  });
}

void RedisWatch::pushed(const net::resp::Value& value) {
  if (value.items.size() == 3 && value.items[0].text == "message" && message_) {
    message_(value.items[1].text, value.items[2].text);
  }
}

}  // namespace switchgear::stores
