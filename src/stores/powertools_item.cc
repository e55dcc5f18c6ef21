#include "stores/powertools_item.h"

#include "core/assert.h"
#include "fleet/text.h"

namespace switchgear::stores {
namespace {

using aws::AttributeValue;
using aws::Item;
using std::chrono::seconds;

// Attributes of a hold beside those of Powertools, which passes over them.
constexpr char kReason[] = "switchgear_reason";
constexpr char kBefore[] = "switchgear_before";  // the state before the hold
// Before the name of who holds it. Owners of Powertools begin with a process id.
constexpr std::string_view kOwnerPrefix = "switchgear hold by ";

// For the lease of a hold that ends when it is released: 2100-01-01.
constexpr StoreTime kUntilReleased{seconds{4'102'444'800}};
// Beyond the year 9999 nothing is a time in seconds.
constexpr std::int64_t kSecondsMax = 253'402'300'799;
// Powertools keeps an item for an hour beyond what it waits for.
constexpr seconds kKept{3600};

AttributeValue of_time(StoreTime t) {
  return AttributeValue::of_number(std::chrono::floor<seconds>(t.time_since_epoch()).count());
}

// Reads attributes and keeps the first that is not as it should be.
class Attributes {
 public:
  Attributes(const Item& item) : item_(item) {}

  const std::string& flaw() const { return flaw_; }

  std::string text(const std::string& name) {
    return value(name, AttributeValue::Kind::text, "text").value_or("");
  }
  bool has(const std::string& name) const { return item_.contains(name); }
  std::int64_t number(const std::string& name) {
    const auto text = value(name, AttributeValue::Kind::number, "number");
    if (!text) return 0;
    const auto number = fleet::to_number<std::int64_t>(*text);
    if (!number) misfit(name, "is no whole number");
    return number.value_or(0);
  }
  std::optional<StoreTime> time(const std::string& name) {
    if (!has(name)) return std::nullopt;
    const std::int64_t n = number(name);
    if (n < 0 || n > kSecondsMax) misfit(name, "is no time in seconds since 1970");
    return flaw_.empty() ? std::optional(StoreTime{seconds{n}}) : std::nullopt;
  }
  void misfit(const std::string& name, const std::string& what) {
    if (flaw_.empty()) flaw_ = "its " + name + " " + what;
  }

 private:
  std::optional<std::string> value(const std::string& name, AttributeValue::Kind kind,
                                   const std::string& type) {
    const auto it = item_.find(name);
    if (it == item_.end()) return std::nullopt;
    if (it->second.kind == kind) return it->second.value;
    misfit(name, "is no " + type);
    return std::nullopt;
  }

  const Item& item_;
  std::string flaw_;
};

std::optional<AttributeValue> found(const Item& item, const std::string& name) {
  const auto it = item.find(name);
  return it == item.end() ? std::nullopt : std::optional(it->second);
}

std::string text_of(const Item& item, const std::string& name) {
  const auto value = found(item, name);
  return value && value->kind == AttributeValue::Kind::text ? value->value : std::string();
}

using Wanted = std::map<std::string, std::optional<AttributeValue>>;

// Writes `result`, if all that an item has to say is as it was seen.
PowertoolsChange change(const PowertoolsNames& names, const std::string& circuit,
                        const std::optional<Item>& seen, Wanted result) {
  PowertoolsChange out{.update = {.table = {}, .key = powertools_key(names, circuit)},
                       .result = std::move(result)};
  aws::ItemUpdate& update = out.update;
  std::map<std::string, std::string> placeholders;  // by attribute
  const auto placeholder = [&](const std::string& attribute) {
    const auto [it, is_new] =
        placeholders.try_emplace(attribute, "#a" + std::to_string(placeholders.size()));
    if (is_new) update.names[it->second] = attribute;
    return it->second;
  };
  std::string set;
  std::string remove;
  for (const auto& [attribute, value] : out.result) {
    const std::string name = placeholder(attribute);
    if (value) {
      const std::string to = ":to" + std::to_string(update.values.size());
      set.append(set.empty() ? "SET " : ", ").append(name).append(" = ").append(to);
      update.values[to] = *value;
    } else {
      remove += (remove.empty() ? "REMOVE " : ", ") + name;
    }
  }
  update.update = set + (set.empty() || remove.empty() ? "" : " ") + remove;
  for (const std::string& attribute :
       {names.state, names.failure_count, names.opened_at, names.owner, names.lease, names.expiry,
        std::string(kReason), std::string(kBefore)}) {
    const std::string name = placeholder(attribute);
    if (!update.condition.empty()) update.condition += " AND ";
    if (const auto value = seen ? found(*seen, attribute) : std::nullopt) {
      const std::string is = ":is" + std::to_string(update.values.size());
      update.condition.append(name).append(" = ").append(is);
      update.values[is] = *value;
    } else {
      update.condition += "attribute_not_exists(" + name + ")";
    }
  }
  return out;
}

// What save_closed() of Powertools writes.
Wanted closed(const PowertoolsNames& names, StoreTime now) {
  return {{names.state, AttributeValue::of_text(std::string(to_string(State::closed)))},
          {names.failure_count, AttributeValue::of_number(std::int64_t{0})},
          {names.opened_at, std::nullopt},
          {names.owner, std::nullopt},
          {names.lease, std::nullopt},
          {names.expiry, of_time(now + kKept)},
          {kReason, std::nullopt},
          {kBefore, std::nullopt}};
}

}  // namespace

std::string PowertoolsCircuit::stuck() const {
  if (state == State::open && !owner.empty()) {
    return "it is OPEN and has an owner, but only one without an owner can be probed";
  }
  if (state == State::open && !opened_at) {
    return "it is OPEN and says not since when, so its recovery time never ends";
  }
  if (state == State::half_open && !lease_end) {
    return "it is HALF_OPEN without an end of the lease, so nobody can take the probe over";
  }
  return {};
}

std::optional<seconds> PowertoolsCircuit::recovery_timeout() const {
  if (state != State::open || !opened_at || !expires) return std::nullopt;
  const auto timeout = std::chrono::floor<seconds>(*expires - *opened_at) - kKept;
  return timeout > 0s ? std::optional(timeout) : std::nullopt;
}

std::optional<StoreTime> PowertoolsCircuit::probes_at() const {
  if (!stuck().empty()) return std::nullopt;
  if (state == State::half_open) return lease_end;
  if (const auto timeout = recovery_timeout()) return *opened_at + *timeout;
  return std::nullopt;
}

Result<PowertoolsCircuit> read_powertools(const PowertoolsNames& names, const std::string& name,
                                          const Item& item) {
  Attributes read(item);
  PowertoolsCircuit out{.name = name};
  const std::string word = read.text(names.state);
  bool known = false;
  for (const State state : {State::closed, State::open, State::half_open}) {
    if (word != to_string(state)) continue;
    out.state = state;
    known = true;
  }
  if (!read.has(names.state)) read.misfit(names.state, "is missing");
  if (!known) read.misfit(names.state, "is none of CLOSED, OPEN, HALF_OPEN");
  out.failure_count = read.number(names.failure_count);
  if (out.failure_count < 0) read.misfit(names.failure_count, "is less than 0");
  out.opened_at = read.time(names.opened_at);
  out.owner = read.text(names.owner);
  out.lease_end = read.time(names.lease);
  out.expires = read.time(names.expiry);
  const std::string reason = read.text(kReason);
  const std::string before = read.text(kBefore);
  if (!read.flaw().empty()) {
    return Error{.code = "unreadable", .message = read.flaw(), .retryable = false, .source = {}};
  }
  if (out.state == State::half_open && out.lease_end && out.owner.starts_with(kOwnerPrefix)) {
    out.hold = {.who = out.owner.substr(kOwnerPrefix.size()),
                .reason = reason,
                .until = *out.lease_end < kUntilReleased ? out.lease_end : std::nullopt,
                .was_closed = before == to_string(State::closed)};
  }
  out.hold_overwritten = !out.hold && read.has(kBefore);
  return out;
}

std::string powertools_circuit_name(const PowertoolsNames& names, const Item& item) {
  return text_of(item, names.sort_key.empty() ? names.key : names.sort_key);
}

Item powertools_key(const PowertoolsNames& names, const std::string& circuit) {
  if (names.sort_key.empty()) return {{names.key, AttributeValue::of_text(circuit)}};
  return {{names.key, AttributeValue::of_text(names.partition)},
          {names.sort_key, AttributeValue::of_text(circuit)}};
}

bool PowertoolsChange::done(const Item& item) const {
  for (const auto& [attribute, value] : result) {
    if (found(item, attribute) != value) return false;
  }
  return true;
}

PowertoolsChange powertools_hold(const PowertoolsNames& names, const std::string& circuit,
                                 const std::optional<Item>& seen, const PowertoolsHold& hold,
                                 StoreTime now) {
  bool was_closed = true;
  std::optional<AttributeValue> count;
  std::optional<AttributeValue> opened_at;
  if (seen) {
    const auto before = read_powertools(names, circuit, *seen);
    SG_ASSERT(before);
    was_closed = before->hold ? before->hold->was_closed : before->state == State::closed;
    count = found(*seen, names.failure_count);
    opened_at = found(*seen, names.opened_at);
  }
  const State before = was_closed ? State::closed : State::open;
  const StoreTime end = hold.until.value_or(kUntilReleased);
  Wanted result{{names.state, AttributeValue::of_text(std::string(to_string(State::half_open)))},
                {names.failure_count, count.value_or(AttributeValue::of_number(std::int64_t{0}))},
                {names.opened_at, opened_at.value_or(of_time(now))},
                {names.owner, AttributeValue::of_text(std::string(kOwnerPrefix) + hold.who)},
                {names.lease, of_time(end)},
                {kBefore, AttributeValue::of_text(std::string(to_string(before)))}};
  // One without an end must not be dropped.
  result[names.expiry] = hold.until ? std::optional(of_time(end + kKept)) : std::nullopt;
  result[kReason] =
      hold.reason.empty() ? std::nullopt : std::optional(AttributeValue::of_text(hold.reason));
  return change(names, circuit, seen, std::move(result));
}

PowertoolsChange powertools_release(const PowertoolsNames& names, const std::string& circuit,
                                    const Item& seen, StoreTime now) {
  const auto held = read_powertools(names, circuit, seen);
  SG_ASSERT(held && held->hold);
  if (held->hold->was_closed) return change(names, circuit, seen, closed(names, now));
  return change(names, circuit, seen,
                {{names.owner, std::nullopt},
                 {names.lease, of_time(now)},
                 {names.expiry, of_time(now + kKept)},
                 {kReason, std::nullopt},
                 {kBefore, std::nullopt}});
}

PowertoolsChange powertools_reset(const PowertoolsNames& names, const std::string& circuit,
                                  const Item& seen, StoreTime now) {
  return change(names, circuit, seen, closed(names, now));
}

}  // namespace switchgear::stores
