#include "fleet/record.h"

#include <algorithm>
#include <map>

#include "core/assert.h"
#include "core/mutant.h"
#include "fleet/text.h"

namespace switchgear::fleet {

namespace {

Error unreadable(const std::string& field, const std::string& what) {
  return Error{.code = "unreadable",
               .message = "field \"" + field + "\" " + what,
               .retryable = false,
               .source = "record"};
}

// Anybody may have written it, so it may hold what ends a line or drives a terminal.
std::string quoted(std::string_view text) {
  std::string shown(text.substr(0, 60));
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return "\"" + shown + "\"";
}

// Beyond the year 2200 a time is garbage, and differences in nanoseconds could overflow.
constexpr std::int64_t kTimeMaxMs = 7'258'118'400'000;

// Reads fields by name and remembers the first thing that was wrong.
class Reader {
 public:
  explicit Reader(const Fields& fields) {
    for (const auto& [name, value] : fields) by_name_[name] = value;
  }
  bool has(const std::string& name) const { return by_name_.contains(name); }

  std::string text(const std::string& name) {
    const auto it = by_name_.find(name);
    if (it != by_name_.end()) return it->second;
    fail(name, "is missing");
    return {};
  }
  template <class Number>
  Number number(const std::string& name) {
    const std::string value = text(name);
    if (error_) return {};
    if (const auto n = to_number<Number>(value)) return *n;
    fail(name, "is not a valid number: " + quoted(value));
    return {};
  }
  StoreTime time(const std::string& name) {
    const auto ms = number<std::int64_t>(name);
    if (!error_ && (ms < 0 || ms > kTimeMaxMs)) fail(name, "is not a time");
    return store_time_ms(error_ ? 0 : ms);
  }
  double at_least_zero(const std::string& name) {
    const double value = number<double>(name);
    if (!error_ && value < 0) fail(name, "is negative");
    return value;
  }
  int count(const std::string& name, int low, int high) {
    const int value = number<int>(name);
    if (!error_ && (value < low || value > high)) {
      fail(name, "is outside " + std::to_string(low) + " to " + std::to_string(high));
    }
    return value;
  }
  void fail(const std::string& name, const std::string& what) {
    if (!error_) error_ = unreadable(name, what);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::map<std::string, std::string> by_name_;
  std::optional<Error> error_;
};

constexpr int kCountMax = 1'000'000'000;

}  // namespace

std::string to_string(const SlotOwner& owner) {
  return to_string(owner.holder) + "." + std::to_string(owner.token);
}

std::string slot_field(int slot) {
  SG_ASSERT(slot >= 0 && slot < kSlotsMax);
  return "s" + std::to_string(slot);
}

std::optional<SlotOwner> owner_of(const std::optional<Slot>& slot) {
  return slot ? std::optional(slot->owner()) : std::nullopt;
}

std::string Slot::encode() const {
  const std::string text = to_string(owner()) + "@" + std::to_string(to_ms(expires));
  return started == 0 ? text : text + "!" + std::to_string(started);
}

Result<Slot> Slot::decode(std::string_view text) {
  const auto dot = text.find('.');
  const auto at = text.find('@');
  if (dot != std::string_view::npos && at != std::string_view::npos && dot < at) {
    const auto holder = instance_from_string(text.substr(0, dot));
    const auto token = to_number<std::uint32_t>(text.substr(dot + 1, at - dot - 1));
    const auto mark = text.find('!', at);
    const auto expires = to_number<std::int64_t>(text.substr(at + 1, mark - at - 1));
    const auto started = mark == std::string_view::npos
                             ? std::optional<std::int64_t>(0)
                             : to_number<std::int64_t>(text.substr(mark + 1));
    const bool marked = mark != std::string_view::npos;
    if (holder && token && expires && *expires >= 0 && started && (*started > 0) == marked) {
      return Slot{.holder = *holder,
                  .token = *token,
                  .expires = store_time_ms(*expires),
                  .started = *started};
    }
  }
  return Error{.code = "unreadable",
               .message = "not a slot: " + quoted(text),
               .retryable = false,
               .source = "record"};
}

std::string Trip::encode() const {
  if (*this == Trip{}) return {};
  std::string text = std::to_string(to_ms(at)) + " " + rule;
  for (const double number : {failures, evidence, need}) text += " " + number_text(number);
  for (const auto number :
       {std::int64_t{reports}, std::int64_t{reporters}, to_ms(first), to_ms(last)}) {
    text += " " + std::to_string(number);
  }
  for (const ReporterShare& share : shares) {
    text += " " + to_string(share.instance) + "=" + number_text(share.failures);
  }
  return text;
}

Result<Trip> Trip::decode(std::string_view text) {
  if (text.empty()) return Trip{};
  const auto parts = split(text, ' ');
  const Error malformed{.code = "unreadable",
                        .message = "not a trip: " + quoted(text),
                        .retryable = false,
                        .source = "record"};
  constexpr std::size_t kParts = 9;
  if (parts.size() < kParts || parts.size() > kParts + kTripSharesMax || parts[1].empty()) {
    return malformed;
  }
  Trip trip;
  trip.rule = parts[1];
  bool good = true;
  const auto read = [&]<class Number>(std::string_view part, Number& into) {
    const auto number = to_number<Number>(part);
    good = good && number && *number >= 0;
    if (good) into = *number;
  };
  const auto read_time = [&](std::string_view part, StoreTime& into) {
    std::int64_t ms = 0;
    read(part, ms);
    good = good && ms <= kTimeMaxMs;
    if (good) into = store_time_ms(ms);
  };
  read_time(parts[0], trip.at);
  read(parts[2], trip.failures);
  read(parts[3], trip.evidence);
  read(parts[4], trip.need);
  read(parts[5], trip.reports);
  read(parts[6], trip.reporters);
  read_time(parts[7], trip.first);
  read_time(parts[8], trip.last);
  for (std::size_t i = kParts; i < parts.size(); ++i) {
    const auto equals = parts[i].find('=');
    if (equals == std::string_view::npos) return malformed;
    const auto instance = instance_from_string(parts[i].substr(0, equals));
    ReporterShare share;
    read(parts[i].substr(equals + 1), share.failures);
    if (!instance) return malformed;
    share.instance = *instance;
    trip.shares.push_back(share);
  }
  if (!good) return malformed;
  return trip;
}

Fields encode_fields(const Record& r) {
  const core::RecoveryState& c = r.recovery;
  return {
      {"v", std::to_string(r.schema)},
      {"inc", std::to_string(r.incarnation)},
      {"ep", std::to_string(r.epoch)},
      {"rev", std::to_string(r.revision)},
      {"swap", std::to_string(r.swap_id)},
      {"st", std::string(to_string(r.state))},
      {"born", std::to_string(to_ms(r.born))},
      {"since", std::to_string(to_ms(r.since))},
      {"reopen", std::to_string(to_ms(r.reopen))},
      {"opens", std::to_string(r.opens)},
      {"reason", r.reason},
      {"why", r.why},
      {"trip", r.trip.encode()},
      {"hold", std::string(to_string(r.hold.kind))},
      {"hold_who", r.hold.who},
      {"hold_why", r.hold.why},
      {"hold_until", std::to_string(to_ms(r.hold.until))},
      {"hold_ep", std::to_string(r.hold.epoch)},
      {"fp", r.fingerprint},
      {"probes", std::to_string(r.probes)},
      {"pok", std::to_string(r.probe_ok)},
      {"pfail", std::to_string(r.probe_failed)},
      {"limit", number_text(c.limit)},
      {"ss", number_text(c.slow_start_threshold)},
      {"base", number_text(c.base_rtt_ms)},
      {"phase", c.phase == core::RecoveryPhase::grow ? "grow" : "measure_base"},
      {"phase_steps", std::to_string(c.phase_steps)},
      {"hold_steps", std::to_string(c.hold_steps)},
      {"unbound", std::to_string(c.unbound_steps)},
      {"rate", number_text(c.calls_per_second)},
      {"resume", number_text(c.resume_limit)},
      {"offered", number_text(c.offered_in_flight)},
      {"good", number_text(r.last_good_limit)},
      {"step", std::to_string(r.step)},
      {"step_at", std::to_string(to_ms(r.step_at))},
      {"n", number_text(r.members)},
  };
}

Result<Record> decode_record(const Fields& fields) {
  Reader in(fields);
  Record r;
  r.schema = in.number<int>("v");
  if (!in.error() && r.schema != kSchemaVersion && !core::mutant(core::Mutant::any_schema_read)) {
    return unreadable("v", "says schema " + std::to_string(r.schema) + ", this version knows " +
                               std::to_string(kSchemaVersion) +
                               "; upgrade this process, it leaves the circuit alone until then");
  }
  r.incarnation = in.number<std::uint64_t>("inc");
  r.epoch = in.number<std::int64_t>("ep");
  if (!in.error() && r.epoch <= 0) in.fail("ep", "is not positive");
  r.revision = in.number<std::uint64_t>("rev");
  r.swap_id = in.number<std::uint64_t>("swap");
  const std::string state = in.text("st");
  if (const auto s = state_from_string(state)) {
    r.state = *s;
  } else {
    in.fail("st", "is not a state we know: " + quoted(state));
  }
  r.born = in.time("born");
  r.since = in.time("since");
  r.reopen = in.time("reopen");
  r.opens = in.count("opens", 0, kCountMax);
  r.reason = in.text("reason");
  r.why = in.text("why");
  if (auto trip = Trip::decode(in.text("trip"))) {
    r.trip = std::move(*trip);
  } else {
    in.fail("trip", "is malformed");
  }
  const std::string hold = in.text("hold");
  if (const auto h = hold_from_string(hold)) {
    r.hold.kind = *h;
  } else {
    in.fail("hold", "is not a hold we know: " + quoted(hold));
  }
  r.hold.who = in.text("hold_who");
  r.hold.why = in.text("hold_why");
  r.hold.until = in.time("hold_until");
  r.hold.epoch = in.number<std::int64_t>("hold_ep");
  r.fingerprint = in.text("fp");
  r.probes = in.count("probes", 1, kSlotsMax);
  r.probe_ok = in.count("pok", 0, kCountMax);
  r.probe_failed = in.count("pfail", 0, kCountMax);
  core::RecoveryState& c = r.recovery;
  c.limit = in.at_least_zero("limit");
  c.slow_start_threshold = in.at_least_zero("ss");
  c.base_rtt_ms = in.at_least_zero("base");
  const std::string phase = in.text("phase");
  if (phase == "measure_base") {
    c.phase = core::RecoveryPhase::measure_base;
  } else if (phase != "grow") {
    in.fail("phase", "is not a phase we know: " + quoted(phase));
  }
  c.phase_steps = in.count("phase_steps", 0, kCountMax);
  c.hold_steps = in.count("hold_steps", 0, kCountMax);
  c.unbound_steps = in.count("unbound", 0, kCountMax);
  c.calls_per_second = in.at_least_zero("rate");
  c.resume_limit = in.at_least_zero("resume");
  c.offered_in_flight = in.at_least_zero("offered");
  r.last_good_limit = in.at_least_zero("good");
  r.step = in.number<std::uint32_t>("step");
  r.step_at = in.time("step_at");
  r.members = in.at_least_zero("n");
  for (int i = 0; i < kSlotsMax && !in.error(); ++i) {
    if (!in.has(slot_field(i))) continue;
    auto slot = Slot::decode(in.text(slot_field(i)));
    if (slot) {
      r.slots[static_cast<std::size_t>(i)] = *slot;
    } else {
      in.fail(slot_field(i), "is malformed");
    }
  }
  if (in.error()) return *in.error();
  return r;
}

}  // namespace switchgear::fleet
