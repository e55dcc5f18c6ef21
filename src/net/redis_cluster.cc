#include "net/redis_cluster.h"

#include <algorithm>
#include <list>
#include <utility>

#include "core/assert.h"
#include "core/backoff.h"
#include "net/clocks.h"
#include "net/redis_answering.h"
#include "net/redis_error.h"
#include "net/redis_topology.h"

namespace switchgear::net {
namespace {

// After a refusal that passes by itself. Keys of a slot move in milliseconds, primaries are
// replaced in seconds.
constexpr core::Backoff kRetry{.base = 5ms, .cap = 250ms, .jitter = core::Jitter::equal};

MonoTime mono_now() { return read_clocks().mono; }

// MOVED and ASK only where they name no node that can be found.
bool passes(const std::string& code) {
  return code == "MOVED" || code == "ASK" || code == "TRYAGAIN" || code == "CLUSTERDOWN" ||
         code == "LOADING" || code == "MASTERDOWN" || code == "READONLY";
}

RedisOptions for_cluster(RedisOptions options) {
  if (!options.acl_rule.empty()) options.acl_rule += kRedisClusterAclRule;
  return options;
}

}  // namespace

class RedisCluster::Impl : public RedisAnswering, public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, const RedisAddress& seeds, const RedisOptions& options)
      : RedisAnswering(loop, seeds.name()),
        options_(options),
        random_(options.seed + 1),
        nodes_(std::in_place, loop, seeds, options),
        topology_(std::in_place, loop, *nodes_, seeds, options) {
    topology_->on_learned([this](const std::optional<Error>& why) { learned(why); });
  }

  std::size_t nodes() const { return nodes_->size(); }

  void command(const std::string& key, std::vector<std::string> arguments, RedisCallback done) {
    SG_ASSERT(done != nullptr);
    if (calls_.size() >= options_.commands_max) {
      return answer_later(std::move(done),
                          error("full",
                                std::to_string(options_.commands_max) +
                                    " commands are waiting for this cluster already",
                                true));
    }
    topology_->used();
    const auto call =
        calls_.insert(calls_.end(), Call{.arguments = std::move(arguments),
                                         .slot = redis_slot(key),
                                         .done = std::move(done),
                                         .until = mono_now() + options_.command_timeout});
    route(call);
  }

  void keys(const std::string& pattern, KeysCallback done) {
    when_known([this, pattern, done = std::move(done)](const std::optional<Error>& why) {
      if (why) return done(*why);
      auto walk = std::make_shared<Walk>();
      walk->nodes = topology_->map().primaries;
      walk->pattern = pattern;
      walk->done = done;
      scan_next(walk);
    });
  }

  void subscriber(SubscriberCallback done) {
    when_known([this, done = std::move(done)](const std::optional<Error>& why) {
      if (why) return done(*why);
      done(nodes_->connection(topology_->likely_nodes().front()));
    });
  }

  void primaries(PrimariesCallback done) {
    when_known([this, done = std::move(done)](const std::optional<Error>& why) {
      if (why) return done(*why);
      const RedisSlotMap& map = topology_->map();
      RedisPrimaries primaries{.each = {}, .slots_unserved = kRedisSlots - map.served()};
      for (std::size_t i = 0; i < map.primaries.size(); ++i) {
        const auto served = std::ranges::find(map.owners, static_cast<std::uint16_t>(i));
        if (served == map.owners.end()) continue;
        const RedisHost& node = map.primaries[i];
        primaries.each.push_back({.name = node.text(),
                                  .client = nodes_->connection(node),
                                  .slot = static_cast<int>(served - map.owners.begin())});
      }
      std::ranges::sort(primaries.each, {}, &RedisPrimaries::One::name);
      done(std::move(primaries));
    });
  }

  // The end of the client: nothing is called any more.
  void abandon() {
    leave();
    topology_.reset();
    nodes_.reset();
    calls_.clear();
    waiting_.clear();
  }

 private:
  struct Call {
    std::vector<std::string> arguments;
    int slot = 0;
    RedisCallback done;  // empty once answered
    MonoTime until;
    int redirects = 0;
    std::uint64_t refusals = 0;
    bool under_way = false;  // a node has it, and may carry it out
    std::optional<Error> refused{};
    // Waits for the map, which names somebody else than this node that could not be reached.
    bool waits_for_map = false;
    std::optional<RedisHost> unreachable{};
    Timer retry{};
    Timer deadline{};
  };
  using CallPtr = std::list<Call>::iterator;

  struct Walk {
    std::vector<RedisHost> nodes;
    std::string pattern;
    KeysCallback done;
    std::set<std::string> found;
  };

  // ---- One command ------------------------------------------------------------------------

  void route(CallPtr call) {
    if (!topology_->known()) {
      if (const auto failed = topology_->failed_just_now()) return finish_later(call, *failed);
      return wait_for_map(call);
    }
    if (const RedisHost* owner = topology_->map().owner(call->slot)) {
      return send(call, RedisHost(*owner), false);
    }
    topology_->refresh();
    refused(call, error("CLUSTERDOWN",
                        "no node of the cluster serves slot " + std::to_string(call->slot) +
                            ", in which this key is; see redis-cli --cluster check",
                        true));
  }

  void send(CallPtr call, const RedisHost& node, bool asking) {
    call->under_way = true;
    // A node is sent a copy, since the command may have to go to another.
    auto answered = [this, call, node](Result<resp::Value> value) {
      this->answered(call, node, std::move(value));
    };
    if (asking) {
      nodes_->command_after_asking(node, call->arguments, std::move(answered));
    } else {
      nodes_->command(node, call->arguments, std::move(answered));
    }
  }

  void answered(CallPtr call, const RedisHost& by, Result<resp::Value> value) {
    call->under_way = false;
    if (!call->done) return forget(call);  // its time is up
    if (!value) return failed(call, by, value.error());
    if (value->kind != resp::Kind::error) return finish(call, std::move(value));
    if (const auto redirect = redis_redirect(value->text, by.host)) {
      return redirected(call, *redirect, by);
    }
    Error why = redis_error(value->text, nodes_->name(by), options_.acl_rule);
    if (!passes(why.code)) return finish(call, std::move(why));
    // What stands behind TRYAGAIN is a slot on its way, of which the map says nothing.
    if (why.code != "TRYAGAIN") topology_->refresh(&by);
    refused(call, std::move(why));
  }

  void redirected(CallPtr call, const RedisRedirect& redirect, const RedisHost& by) {
    const RedisHost to = topology_->as_known(redirect.to);
    if (!redirect.ask) topology_->moved(redirect.slot, to);
    if (++call->redirects > kRedirectsMax || nodes_->size() > kRedisClusterNodesMax) {
      return finish(call,
                    Error{.code = "redirects",
                          .message = "the nodes of the cluster send this command from one "
                                     "to another; do they agree on who serves slot " +
                                     std::to_string(call->slot) + "? See redis-cli --cluster check",
                          .retryable = true,
                          .source = nodes_->name(by)});
    }
    arm_deadline(call);
    send(call, to, redirect.ask);
  }

  // Not carried out, and may be later.
  void refused(CallPtr call, Error why) {
    arm_deadline(call);
    call->refused = std::move(why);
    call->retry = loop_.call_after(core::delay(kRetry, ++call->refusals, random_),
                                   [this, call] { route(call); });
  }

  void failed(CallPtr call, const RedisHost& by, const Error& why) {
    if (why.code == "full") return finish(call, why);
    topology_->refresh(&by);
    if (why.code != "connect") return finish(call, why);
    call->refused = why;
    call->unreachable = by;
    wait_for_map(call);
  }

  void wait_for_map(CallPtr call) {
    arm_deadline(call);
    call->waits_for_map = true;
    topology_->refresh();
  }

  void learned(const std::optional<Error>& why) {
    const auto self = shared_from_this();  // a callback may destroy the client
    std::vector<CallPtr> ready;
    for (auto call = calls_.begin(); call != calls_.end(); ++call) {
      if (std::exchange(call->waits_for_map, false)) ready.push_back(call);
    }
    for (auto& done : std::exchange(waiting_, {})) {
      if (gone()) return;
      done(why);
    }
    for (const CallPtr call : ready) {
      if (gone()) return;
      proceed(call, why);
    }
  }

  void proceed(CallPtr call, const std::optional<Error>& why) {
    const auto unreachable = std::exchange(call->unreachable, std::nullopt);
    if (!topology_->known()) return finish(call, *why);
    const RedisHost* owner = topology_->map().owner(call->slot);
    if (unreachable && owner != nullptr && *owner == *unreachable) {
      return finish(call, Error(*call->refused));
    }
    route(call);
  }

  void arm_deadline(CallPtr call) {
    if (call->deadline.pending()) return;
    call->deadline = loop_.call_after(call->until - mono_now(), [this, call] { time_is_up(call); });
  }

  void time_is_up(CallPtr call) {
    if (!call->under_way && call->refused) return finish(call, Error(*call->refused));
    const std::string time = std::to_string(ceil_ms(options_.command_timeout).count()) + " ms";
    finish(call, error("timeout",
                       call->under_way
                           ? "no answer within " + time + "; the command may have been carried out"
                           : "no node has said within " + time +
                                 " who serves which slot; check hosts, ports and network",
                       true));
  }

  void finish(CallPtr call, Result<resp::Value> result) {
    const RedisCallback done = std::exchange(call->done, nullptr);
    forget(call);
    done(std::move(result));
  }

  void finish_later(CallPtr call, const Error& why) {
    answer_later(std::exchange(call->done, nullptr), why);
    forget(call);
  }

  // A node that has it still will answer.
  void forget(CallPtr call) {
    call->waits_for_map = false;
    call->retry.cancel();
    call->deadline.cancel();
    if (!call->under_way) calls_.erase(call);
  }

  // ---- What concerns all nodes --------------------------------------------------------------

  void when_known(std::function<void(const std::optional<Error>&)> then) {
    if (!topology_->known() && !topology_->failed_just_now()) {
      waiting_.push_back(std::move(then));
      return topology_->refresh();
    }
    loop_.post([self = shared_from_this(), then = std::move(then)] {
      if (self->gone()) return;
      const bool known = self->topology_->known();
      then(known ? std::nullopt : self->topology_->failed_just_now());
    });
  }

  void scan_next(const std::shared_ptr<Walk>& walk) {
    if (walk->nodes.empty()) return walk->done(std::move(walk->found));
    const RedisHost node = walk->nodes.back();
    walk->nodes.pop_back();
    scan_keys(
        [this, node](std::vector<std::string> words, const RedisCallback& done) {
          nodes_->command(node, std::move(words), [this, node, done](Result<resp::Value> value) {
            if (!value) topology_->refresh(&node);
            if (value && value->kind == resp::Kind::error) {
              return done(redis_error(value->text, nodes_->name(node), options_.acl_rule));
            }
            done(std::move(value));
          });
        },
        walk->pattern, nodes_->name(node),
        [this, walk](Result<std::set<std::string>> found) {
          if (!found) return walk->done(found.error());
          walk->found.merge(*found);
          scan_next(walk);
        });
  }

  const RedisOptions options_;
  core::Random random_;
  std::list<Call> calls_;
  std::vector<std::function<void(const std::optional<Error>&)>> waiting_;  // for the map
  std::optional<RedisNodes> nodes_;
  std::optional<RedisTopology> topology_;
};

RedisCluster::RedisCluster(Loop& loop, const RedisAddress& seeds, const RedisOptions& options)
    : impl_(std::make_shared<Impl>(loop, seeds, for_cluster(options))) {}
RedisCluster::~RedisCluster() { impl_->abandon(); }

void RedisCluster::command(const std::string& key, std::vector<std::string> arguments,
                           RedisCallback done) {
  impl_->command(key, std::move(arguments), std::move(done));
}
void RedisCluster::keys(const std::string& pattern, KeysCallback done) {
  impl_->keys(pattern, std::move(done));
}
void RedisCluster::subscriber(SubscriberCallback done) { impl_->subscriber(std::move(done)); }
void RedisCluster::primaries(PrimariesCallback done) { impl_->primaries(std::move(done)); }
const std::string& RedisCluster::name() const { return impl_->name(); }
std::size_t RedisCluster::nodes() const { return impl_->nodes(); }

}  // namespace switchgear::net
