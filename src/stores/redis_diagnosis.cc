#include "stores/redis_diagnosis.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "net/clocks.h"
#include "net/redis_slots.h"
#include "stores/redis_node_diagnosis.h"

namespace switchgear::stores {
namespace {

using net::resp::Value;

const std::string kLoginFix =
    "check user and password in the store's URL (redis://USER:PASSWORD@HOST:PORT, special "
    "characters percent-encoded), and the user's ACL on the server: ACL GETUSER";

bool is_of_network(const Error& error) {
  return error.code == "connect" || error.code == "timeout" || error.code == "closed";
}

class RedisExamination {
 public:
  RedisExamination(Examination& e, RedisStore& store) : e_(e), store_(store) {}

  void run() {
    e_.look("connection");
    auto primaries = e_.waiting().wait_for<net::RedisPrimaries>(
        store_.backend(), [&](auto done) { store_.route().primaries(std::move(done)); });
    if (!primaries) return not_reached(primaries.error());
    primaries_ = *std::move(primaries);
    if (!connect()) return;
    if (primaries_.slots_unserved > 0) report_unserved();
    std::vector<FindingsOfServer> found;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      found.emplace_back(primaries_.each[i].name, e_.apart([&] { look_at(i); }));
    }
    e_.add(of_cluster() ? joined_findings(found) : found[0].second);
    e_.measure_latency();
    e_.look_at_circuits();
  }

 private:
  bool of_cluster() const { return primaries_.each[0].slot.has_value(); }

  void not_reached(const Error& error) {
    if (error.code != "interrupted") e_.not_reached(error, kLoginFix);
  }

  // False if no server answers at all.
  bool connect() {
    const MonoTime before = net::read_clocks().mono;
    for (const net::RedisPrimaries::One& one : primaries_.each) {
      nodes_.push_back({.client = one.client,
                        .circuit = one.slot ? circuit_in(*one.slot) : e_.circuit(),
                        .user = {},
                        .of_cluster = one.slot.has_value()});
      RedisNode& node = nodes_.back();
      const auto pong = node.ask(e_, {"PING"});
      const bool answers = pong || lacks_a_right(pong.error()) || pong.error().code == "LOADING";
      failures_.push_back(answers ? std::nullopt : std::optional(pong.error()));
    }
    if (std::ranges::none_of(failures_, [](const auto& why) { return !why.has_value(); })) {
      not_reached(*failures_[0]);
      return false;
    }
    const std::string took = time_text(net::read_clocks().mono - before);
    std::string user;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (failures_[i]) continue;
      const auto who = nodes_[i].ask(e_, {"ACL", "WHOAMI"});
      if (who && who->is_text()) user = nodes_[i].user = who->text;
    }
    e_.ok("connection", "connected and logged in within " + took +
                            (user.empty() ? "" : ", as the user " + user) + where());
    return true;
  }

  std::string where() const {
    if (of_cluster()) {
      std::vector<std::string> names;
      for (const auto& one : primaries_.each) names.push_back(one.name);
      return "; the primaries of the cluster are " + names_text(names);
    }
    const std::string& name = primaries_.each[0].name;
    return store_.route().name() == "redis " + name ? "" : "; the Sentinels name " + name;
  }

  // The name of a throw-away circuit in this slot. Names fall into slots as by chance.
  std::string circuit_in(int slot) const {
    for (int number = 1;; ++number) {
      std::string name = e_.circuit() + "." + std::to_string(number);
      if (net::redis_slot(store_.key(name)) == slot) return name;
    }
  }

  void report_unserved() {
    e_.error("slots",
             std::to_string(primaries_.slots_unserved) + " of the cluster's " +
                 std::to_string(net::kRedisSlots) +
                 " slots are served by no node, and circuits in them have no store",
             "see redis-cli --cluster check " + primaries_.each[0].name +
                 ", and bring back the nodes that had them, or redis-cli --cluster fix");
  }

  void look_at(std::size_t i) {
    if (!failures_[i]) return examine(e_, store_, nodes_[i]);
    const Error& why = *failures_[i];
    if (why.code == "interrupted") return;
    if (!is_of_network(why)) return e_.not_answered(why, kLoginFix);
    e_.error("connection", why.message,
             "start this node, or let this machine through to it: each node of a cluster is "
             "connected to, at the address that it announces (cluster-announce-ip, -port, "
             "-hostname)");
  }

  Examination& e_;
  RedisStore& store_;
  net::RedisPrimaries primaries_;
  std::vector<RedisNode> nodes_;                // of the same length, as is
  std::vector<std::optional<Error>> failures_;  // why it does not answer
};

// What differs from server to server by its nature.
constexpr std::array<std::string_view, 2> kMeasured{"memory", "clock"};

struct Group {
  Finding finding;  // of the first
  std::vector<std::string> names;
  bool alike = true;  // word for word
};

bool belongs(const Group& group, const Finding& finding) {
  if (group.finding.grade != finding.grade) return false;
  const bool measured = std::ranges::find(kMeasured, finding.check) != kMeasured.end();
  return (measured && finding.grade == Grade::ok) ||
         (group.finding.found == finding.found && group.finding.fix == finding.fix);
}

// By the first time they were made.
std::vector<std::string> checks_of(const std::vector<FindingsOfServer>& servers) {
  std::vector<std::string> checks;
  for (const auto& [name, findings] : servers) {
    for (const Finding& finding : findings) {
      if (std::ranges::find(checks, finding.check) == checks.end()) checks.push_back(finding.check);
    }
  }
  return checks;
}

std::vector<Group> groups_of(const std::vector<FindingsOfServer>& servers,
                             const std::string& check) {
  std::vector<Group> groups;
  for (const auto& [name, findings] : servers) {
    for (const Finding& finding : findings) {
      if (finding.check != check) continue;
      const auto group =
          std::ranges::find_if(groups, [&](const Group& each) { return belongs(each, finding); });
      if (group == groups.end()) {
        groups.push_back({.finding = finding, .names = {name}});
        continue;
      }
      group->alike &= group->finding.found == finding.found;
      group->names.push_back(name);
    }
  }
  return groups;
}

}  // namespace

std::vector<Finding> joined_findings(const std::vector<FindingsOfServer>& servers) {
  std::vector<Finding> all;
  for (const std::string& check : checks_of(servers)) {
    for (Group& group : groups_of(servers, check)) {
      const bool everywhere = group.names.size() == servers.size() && servers.size() > 1;
      std::string where = everywhere ? "all " + std::to_string(servers.size()) + " primaries"
                                     : names_text(group.names);
      if (!group.alike) where += ", for instance " + group.names[0];
      group.finding.found = where + ": " + group.finding.found;
      all.push_back(std::move(group.finding));
    }
  }
  return all;
}

void examine(Examination& examination, RedisStore& store) {
  RedisExamination(examination, store).run();
}

}  // namespace switchgear::stores
