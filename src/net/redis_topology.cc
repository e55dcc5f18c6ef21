#include "net/redis_topology.h"

#include <algorithm>
#include <utility>

#include "core/backoff.h"
#include "net/clocks.h"
#include "net/redis_error.h"

namespace switchgear::net {
namespace {

// Between attempts. A failover takes seconds, so asking more often finds nothing new; and there may
// be thousands of clients.
constexpr core::Backoff kGap{.base = 100ms, .cap = 1s, .jitter = core::Jitter::equal};
constexpr Duration kCalm = 10s;
constexpr Duration kPeriod = 60s;
constexpr Duration kUnused = 5min;
// Known nodes that are asked before the seeds.
constexpr std::size_t kNodesTried = 8;

MonoTime mono_now() { return read_clocks().mono; }

RedisOptions for_nodes(RedisOptions options) {
  options.error_replies_as_values = true;
  // The cluster's client counts what is pending; here nothing may be refused that it has let in.
  options.commands_max = 2 * options.commands_max + 64;
  return options;
}

}  // namespace

// ---- The nodes ------------------------------------------------------------------------------

RedisNodes::RedisNodes(Loop& loop, RedisAddress address, const RedisOptions& options)
    : loop_(loop), address_(std::move(address)), options_(options) {}

void RedisNodes::command(const RedisHost& at, std::vector<std::string> arguments,
                         RedisCallback done) {
  send(nodes_[at], at, std::move(arguments), std::move(done));
}

void RedisNodes::command_after_asking(const RedisHost& at, std::vector<std::string> arguments,
                                      RedisCallback done) {
  Node& node = nodes_[at];
  auto refused = std::make_shared<std::optional<resp::Value>>();
  send(node, at, {"ASKING"}, [refused](const Result<resp::Value>& value) {
    if (value && value->kind == resp::Kind::error) *refused = *value;
  });
  send(node, at, std::move(arguments),
       [refused, done = std::move(done)](Result<resp::Value> value) {
         // Without it the node knows nothing of the slot and only sends us back.
         if (*refused && value && value->kind == resp::Kind::error) return done(**refused);
         done(std::move(value));
       });
}

void RedisNodes::send(Node& node, const RedisHost& at, std::vector<std::string> arguments,
                      RedisCallback done) {
  if (!node.client) {
    node.client = std::make_unique<RedisClient>(loop_, address_.at(at), for_nodes(options_));
  }
  ++node.pending;
  node.used = mono_now();
  node.client->command(std::move(arguments),
                       [this, at, done = std::move(done)](Result<resp::Value> value) {
                         --nodes_.at(at).pending;
                         done(std::move(value));
                       });
}

bool RedisNodes::connected(const RedisHost& at) const {
  const auto found = nodes_.find(at);
  return found != nodes_.end() && found->second.client && found->second.client->connected();
}

void RedisNodes::close_unused(const std::function<bool(const RedisHost&)>& known) {
  const MonoTime now = mono_now();
  std::erase_if(nodes_, [&](const auto& entry) {
    const Node& node = entry.second;
    return node.pending == 0 && (!known(entry.first) || node.used + kUnused < now);
  });
}

std::unique_ptr<RedisClient> RedisNodes::connection(const RedisHost& at) const {
  return std::make_unique<RedisClient>(loop_, address_.at(at), options_);
}

// ---- The map --------------------------------------------------------------------------------

RedisTopology::RedisTopology(Loop& loop, RedisNodes& nodes, const RedisAddress& seeds,
                             const RedisOptions& options)
    : loop_(loop),
      nodes_(nodes),
      seeds_(seeds),
      patience_(options.command_timeout / 4),
      acl_rule_(options.acl_rule),
      random_(options.seed) {
  again_in_a_while();
}

std::optional<Error> RedisTopology::failed_just_now() const {
  return failed_ && mono_now() < next_at_ ? failed_ : std::nullopt;
}

void RedisTopology::on_learned(std::function<void(const std::optional<Error>&)> learned) {
  learned_ = std::move(learned);
}

void RedisTopology::refresh(const RedisHost* doubtful) {
  if (doubtful != nullptr) doubtful_ = *doubtful;
  wanted_ = true;
  schedule();
}

RedisHost RedisTopology::as_known(const RedisHost& address) const {
  const auto found = map_.named.find(address);
  return found == map_.named.end() ? address : found->second;
}

void RedisTopology::moved(int slot, const RedisHost& to) {
  map_.assign(slot, to);
  refresh();
}

void RedisTopology::schedule() {
  if (!wanted_ || asked_ || start_timer_.pending()) return;
  start_timer_ = loop_.call_after(next_at_ - mono_now(), [this] { start(); });
}

std::vector<RedisHost> RedisTopology::likely_nodes() {
  std::vector<RedisHost> nodes = map_.primaries;
  nodes.insert(nodes.end(), map_.replicas.begin(), map_.replicas.end());
  for (std::size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random_.below(i)]);
  std::ranges::partition(nodes, [this](const RedisHost& node) { return nodes_.connected(node); });
  return nodes;
}

void RedisTopology::start() {
  wanted_ = false;
  used_ = false;
  const MonoTime now = mono_now();
  in_a_row_ = now - started_at_ > kCalm ? 1 : in_a_row_ + 1;
  started_at_ = now;
  next_at_ = now + core::delay(kGap, in_a_row_, random_);

  std::vector<RedisHost> candidates = likely_nodes();
  candidates.resize(std::min(candidates.size(), kNodesTried));
  for (const RedisHost& seed : seeds_.hosts) {
    if (std::ranges::find(candidates, seed) == candidates.end()) candidates.push_back(seed);
  }
  if (const auto doubtful = std::exchange(doubtful_, std::nullopt)) {
    const auto at = std::ranges::find(candidates, *doubtful);
    if (at != candidates.end()) std::rotate(at, at + 1, candidates.end());
  }
  ++round_;
  asked_ = Asked{.candidates = std::move(candidates)};
  ask_next();
}

// A node that keeps us waiting must not keep the map from us: then the next is asked as well.
void RedisTopology::ask_next() {
  const RedisHost node = asked_->candidates[asked_->next++];
  ++asked_->open;
  patience_timer_.cancel();
  if (asked_->next < asked_->candidates.size()) {
    patience_timer_ = loop_.call_after(patience_, [this] { ask_next(); });
  }
  nodes_.command(node, {"CLUSTER", "SLOTS"},
                 [this, round = round_, node](const Result<resp::Value>& value) {
                   answered(round, node, value);
                 });
}

Result<RedisSlotMap> RedisTopology::read(const RedisHost& by,
                                         const Result<resp::Value>& value) const {
  if (!value) return value.error();
  if (value->kind == resp::Kind::error) return redis_error(value->text, nodes_.name(by), acl_rule_);
  auto map = redis_slot_map(*value, {.asked = by, .prefer_hostnames = seeds_.tls.has_value()});
  if (!map) {
    map.error().source = nodes_.name(by);
  } else if (map->served() == 0) {
    // It has left the cluster, or has never joined one.
    return Error{.code = "CLUSTERDOWN",
                 .message =
                     "this node of a Redis Cluster knows of nobody who serves a slot; has "
                     "the cluster been set up, and is the node part of it?",
                 .retryable = true,
                 .source = nodes_.name(by)};
  }
  return map;
}

void RedisTopology::answered(std::uint64_t round, const RedisHost& by,
                             const Result<resp::Value>& value) {
  if (!asked_ || round != round_) return;  // another node was faster
  --asked_->open;
  auto map = read(by, value);
  if (map) {
    map_ = std::move(*map);
    return end(std::nullopt);
  }
  asked_->last_error = map.error();
  if (asked_->next < asked_->candidates.size()) return ask_next();
  if (asked_->open == 0) end(Error(asked_->last_error));
}

void RedisTopology::end(const std::optional<Error>& why) {
  asked_.reset();
  patience_timer_.cancel();
  failed_ = why;
  if (!why) {
    nodes_.close_unused([this](const RedisHost& node) {
      return std::ranges::find(map_.primaries, node) != map_.primaries.end() ||
             std::ranges::find(map_.replicas, node) != map_.replicas.end();
    });
  }
  schedule();
  // Last, and a copy: whoever hears of it may end all this.
  const auto learned = learned_;
  learned(why);
}

void RedisTopology::again_in_a_while() {
  periodic_timer_ = loop_.call_after(
      std::chrono::duration_cast<Duration>(kPeriod * random_.between(0.75, 1.25)), [this] {
        if (used_) refresh();
        again_in_a_while();
      });
}

}  // namespace switchgear::net
