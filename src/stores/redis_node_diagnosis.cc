#include "stores/redis_node_diagnosis.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "fleet/text.h"
#include "net/clocks.h"
#include "net/redis_cluster.h"
#include "stores/trial.h"

namespace switchgear::stores {
namespace {

using net::resp::Value;

constexpr int kClockSamples = 5;
constexpr double kNearlyFull = 0.9;

class NodeExamination {
 public:
  NodeExamination(Examination& e, RedisStore& store, const RedisNode& node)
      : e_(e), store_(store), node_(node) {}

  void run() {
    const auto info = ask({"INFO"});
    if (info && info->is_text()) info_ = info->text;
    look_at_version();
    look_at_eviction();
    look_at_memory();
    look_at_role();
    try_rights();
    compare_clocks();
  }

 private:
  Result<Value> ask(const std::vector<std::string>& words) { return node_.ask(e_, words); }
  std::string info(std::string_view field) const { return info_value(info_, field); }
  std::optional<double> number(std::string_view field) const {
    return fleet::to_number<double>(info(field));
  }

  void look_at_version() {
    // Valkey says so beside the version of Redis that it is compatible with.
    const std::string valkey = info("valkey_version");
    const std::string redis = info("redis_version");
    if (valkey.empty() && redis.empty()) {
      return e_.not_checked("version",
                            "the server's INFO cannot be read; it speaks RESP3, so it "
                            "is Redis 6 or later, or Valkey");
    }
    const std::string mode = info("redis_mode");
    e_.ok("version", (valkey.empty() ? "Redis " + redis : "Valkey " + valkey) +
                         (mode.empty() ? "" : ", mode " + mode));
  }

  // As CONFIG has it, else as INFO does: managed servers mostly refuse CONFIG.
  std::string setting(const std::string& name, std::string_view info_field) {
    const auto answer = ask({"CONFIG", "GET", name});
    if (answer && answer->items.size() == 2) return answer->items[1].text;
    return info_field.empty() ? std::string() : info(info_field);
  }

  void look_at_eviction() {
    const std::string policy = setting("maxmemory-policy", "maxmemory_policy");
    if (policy.empty()) {
      return e_.not_checked(
          "eviction",
          "neither CONFIG GET nor INFO tells maxmemory-policy here (ElastiCache refuses CONFIG): "
          "see that the parameter group has volatile-lru, its default, or noeviction");
    }
    if (policy.starts_with("allkeys-")) {
      return e_.warning(
          "eviction",
          "maxmemory-policy is " + policy +
              ": when memory is full any key may go, also circuits that are open, and holds, which "
              "have no end on purpose",
          "set maxmemory-policy to volatile-ttl or noeviction (CONFIG SET maxmemory-policy "
          "volatile-ttl, or the parameter group), or give circuits a server of their own");
    }
    e_.ok("eviction",
          "maxmemory-policy is " + policy +
              (policy == "noeviction"
                   ? ": nothing goes before its time"
                   : ": holds have no time to live and stay; other circuits expire after 14 days "
                     "without use, and may go earlier when memory is full"));
  }

  void look_at_memory() {
    const auto used = number("used_memory");
    const auto most = number("maxmemory");
    if (!used || !most) return e_.not_checked("memory", "the server's INFO cannot be read");
    const auto mib = [](double bytes) {
      return fleet::number_text(std::round(bytes / 104'857.6) / 10) + " MiB";
    };
    if (*most == 0) return e_.ok("memory", mib(*used) + " used, no maxmemory is set");
    const std::string found = mib(*used) + " of " + mib(*most) + " used";
    if (*used < kNearlyFull * *most) return e_.ok("memory", found);
    const bool full_refuses = info("maxmemory_policy") == "noeviction";
    e_.warning("memory",
               found + (full_refuses ? ": when it is full, writes are refused (OOM)"
                                     : ": when it is full, keys are evicted"),
               "raise maxmemory, take a larger node, or remove what fills it (redis-cli --bigkeys "
               "shows it); circuits take 1 to 5 KB each");
  }

  void look_at_role() {
    const std::string role = info("role");
    if (role.empty()) return e_.not_checked("durability", "the server's INFO cannot be read");
    if (role == "slave") {
      return e_.error("role",
                      "the server is a replica" +
                          (info("master_host").empty() ? "" : " of " + info("master_host")) +
                          ": what it answers may be old, and it takes no writes",
                      "point the store's URL at the primary (on ElastiCache the primary endpoint, "
                      "not the reader endpoint)");
    }
    if (info("rdb_last_bgsave_status") == "err" || info("aof_last_write_status") == "err") {
      return e_.warning("durability",
                        "the server cannot save to its disk; by stop-writes-on-bgsave-error it "
                        "then refuses writes",
                        "see the server's log: disk full, folder not writable, or no memory to "
                        "fork");
    }
    const int replicas = static_cast<int>(number("connected_slaves").value_or(0));
    const bool appends = info("aof_enabled") == "1";
    const std::string save = setting("save", "");
    if (node_.of_cluster && replicas == 0) {
      return e_.warning(
          "durability",
          "no replica: when this node fails, nobody serves its slots, and the circuits "
          "in them have no store until it is back",
          "give the node a replica: redis-cli --cluster add-node … --cluster-slave");
    }
    if (replicas > 0 || appends || !save.empty()) {
      return e_.ok("durability", (replicas > 0 ? std::to_string(replicas) + " replicas connected"
                                               : std::string("no replica")) +
                                     (appends        ? ", append-only file"
                                      : save.empty() ? ""
                                                     : ", snapshots"));
    }
    e_.warning("durability",
               "no replica, no append-only file and no snapshots: a restart forgets every circuit. "
               "Members put their live views back within seconds; holds of circuits that nobody "
               "uses at the time are lost",
               "add a replica, or switch on appendonly");
  }

  // Each operation once, on the throw-away circuit.
  void try_rights() {
    e_.look("rights");
    const std::string& circuit = node_.circuit;
    const auto now = e_.execute(circuit, fleet::ReadOp{});
    if (!now && now.error().code == "CLUSTERDOWN") {
      // So will all others be, after as long a wait.
      return e_.not_checked("rights", now.error().message);
    }
    tried("read", now);
    e_.will_write(circuit);
    fleet::Record record = full_record(1, 1);
    record.why.clear();
    record.reason = "doctor";
    tried("swap", e_.execute(circuit, create(record)));
    const StoreTime time = now ? now->snapshot.time : StoreTime{};
    const fleet::Report report{
        .sent = time, .span = 1ms, .instance = kAnn, .seq = 1, .failures = 1};
    fleet::ReportOp sums = adds(1, report);
    sums.meter = {.calls = 1, .active_ms = 1, .members = 1, .hellos = 1};
    tried("report", e_.execute(circuit, sums));
    tried("claim", e_.execute(circuit, claims(1, 0, kAnn, 1)));
    tried("settle", e_.execute(circuit, settles(1, 0, kAnn, 1, fleet::Settlement::success)));
    tried("list", ask({"SCAN", "0", "MATCH", store_.key(circuit) + "*", "COUNT", "10"}));
    const auto removed = e_.waiting().wait_for<void>(
        store_.backend(), [&](auto done) { store_.remove(circuit, std::move(done)); });
    tried("remove", removed);
    if (removed) e_.has_removed(circuit);
    try_push();
    if (node_.of_cluster) {
      tried("slots", ask({"CLUSTER", "SLOTS"}));
      tried("redirects", ask({"ASKING"}));
    }
    report_rights();
  }

  void try_push() {
    const std::string channel = store_.key(node_.circuit) + ":c";
    tried("push", ask({"SUBSCRIBE", channel}));
    tried("push", ask({"PUBLISH", channel, "1"}));
  }

  template <class T>
  void tried(const std::string& operation, const Result<T>& result) {
    if (result) {
      if (allowed_.empty() || allowed_.back() != operation) allowed_.push_back(operation);
      return;
    }
    const Error& error = result.error();
    if (error.code == "interrupted") return;
    // Operations that fail for one reason are one finding.
    for (auto& [known, operations] : failed_) {
      if (known.message != error.message) continue;
      if (operations.back() != operation) operations.push_back(operation);
      return;
    }
    failed_.push_back({error, {operation}});
  }

  void report_rights() {
    const auto joined = [](const std::vector<std::string>& words) {
      std::string text;
      for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
      return text;
    };
    std::erase_if(allowed_, [&](const std::string& operation) {
      return std::ranges::any_of(failed_, [&](const auto& failure) {
        return std::ranges::find(failure.second, operation) != failure.second.end();
      });
    });
    if (!allowed_.empty()) e_.ok("rights", joined(allowed_) + " work");
    bool told = false;
    for (const auto& [error, operations] : failed_) {
      // What the message says to do is said as the fix.
      const std::string found =
          joined(operations) + ": " + error.message.substr(0, error.message.find("; give it all"));
      const bool only_push = operations == std::vector<std::string>{"push"};
      if (!lacks_a_right(error)) {
        e_.error("rights", found, fix_of(error));
      } else if (only_push) {
        e_.warning("rights", found + "; without push, others' changes are seen at the next read",
                   acl_fix(told));
      } else {
        e_.error("rights", found, acl_fix(told));
      }
    }
  }

  std::string acl_fix(bool& told) const {
    if (std::exchange(told, true)) return "the same rule";
    return "ACL SETUSER " + (node_.user.empty() ? "USER" : node_.user) + " " +
           std::string(kRedisAclRule) +
           (node_.of_cluster ? std::string(net::kRedisClusterAclRule) : "");
  }

  static std::string fix_of(const Error& error) {
    if (error.code == "OOM") {
      return "raise maxmemory, take a larger node, or remove what fills it; while it lasts, "
             "processes go by their last views and on_store_failure";
    }
    if (error.code == "READONLY") return "point the store's URL at the primary";
    if (error.code == "MISCONF") return "see the server's log: it cannot save to its disk";
    return "see the server's log, and what its words say";
  }

  void compare_clocks() {
    e_.look("clock");
    std::optional<std::pair<Duration, Duration>> best;  // ahead, uncertainty
    std::string failure;
    for (int i = 0; i < kClockSamples; ++i) {
      const Now before = net::read_clocks();
      const auto time = ask({"TIME"});
      const Now after = net::read_clocks();
      if (!time || time->items.size() != 2) {
        failure = time ? "TIME was answered otherwise than by Redis" : time.error().text();
        break;
      }
      const auto seconds = fleet::to_number<std::int64_t>(time->items[0].text);
      const auto micros = fleet::to_number<std::int64_t>(time->items[1].text);
      if (!seconds || !micros) continue;
      const Duration half = (after.mono - before.mono) / 2;
      const Duration theirs = std::chrono::seconds(*seconds) + std::chrono::microseconds(*micros);
      const Duration ahead = theirs - (before.wall.time_since_epoch() + half);
      if (!best || half < best->second) best = {ahead, half};
    }
    if (!best) return e_.not_checked("clock", "TIME cannot be asked: " + failure);
    e_.judge_clock(best->first, best->second, false);
  }

  Examination& e_;
  RedisStore& store_;
  const RedisNode& node_;
  std::string info_;
  std::vector<std::string> allowed_;
  std::vector<std::pair<Error, std::vector<std::string>>> failed_;
};

}  // namespace

// Within a script Redis 7.0 has the second text, later ones and Valkey the third.
bool lacks_a_right(const Error& error) {
  for (const std::string_view text :
       {"NOPERM", "The user executing the script can't", "ACL failure in script"}) {
    if (error.message.find(text) != std::string::npos) return true;
  }
  return false;
}

std::string info_value(std::string_view info, std::string_view field) {
  while (!info.empty()) {
    const auto end = info.find('\n');
    std::string_view line = info.substr(0, end);
    info.remove_prefix(end == std::string_view::npos ? info.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with(field) && line.substr(field.size(), 1) == ":") {
      return std::string(line.substr(field.size() + 1));
    }
  }
  return {};
}

Result<Value> RedisNode::ask(Examination& examination,
                             const std::vector<std::string>& words) const {
  return examination.waiting().wait_for<Value>(
      "redis", [&](auto done) { client->command(words, std::move(done)); });
}

void examine(Examination& examination, RedisStore& store, const RedisNode& node) {
  NodeExamination(examination, store, node).run();
}

}  // namespace switchgear::stores
