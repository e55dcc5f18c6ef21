// What each operation writes to an item, and under which condition.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <vector>

#include "core/assert.h"
#include "fleet/text.h"
#include "stores/dynamodb_attributes.h"
#include "stores/dynamodb_item.h"
#include "stores/sums.h"

namespace switchgear::stores {
namespace {

using namespace attributes;
using aws::AttributeValue;
using aws::Item;
using fleet::Status;
using Bounds = DynamoDbClock::Bounds;

// Reports of the same time share a set, this many at the most.
constexpr std::size_t kSetMax = 16;
// Where nobody knows how old evidence may be: sets of 64 s.
constexpr int kSetBitsUnknown = 6;
// Forgotten after this long without a write, and renewed by any write in the second half.
constexpr std::chrono::seconds kLifetime = 14 * 24h;

// Puts an update together. Names and values are always given apart from the expressions: many of
// ours are reserved words, or hold a colon.
class Writing {
 public:
  std::string name(const std::string& attribute) {
    for (const auto& [placeholder, known] : update_.names) {
      if (known == attribute) return placeholder;
    }
    const std::string placeholder = "#n" + std::to_string(update_.names.size());
    update_.names.emplace(placeholder, attribute);
    return placeholder;
  }
  std::string value(AttributeValue value) {
    const std::string placeholder = ":v" + std::to_string(update_.values.size());
    update_.values.emplace(placeholder, std::move(value));
    return placeholder;
  }
  std::string text(std::string text) { return value(AttributeValue::of_text(std::move(text))); }
  std::string number(std::int64_t number) { return value(AttributeValue::of_number(number)); }

  void set(const std::string& attribute, AttributeValue to) {
    list(set_, name(attribute) + " = " + value(std::move(to)));
  }
  void add(const std::string& attribute, AttributeValue what) {
    list(add_, name(attribute) + " " + value(std::move(what)));
  }
  void remove(const std::string& attribute) { list(remove_, name(attribute)); }
  void where(const std::string& condition) {
    update_.condition += (update_.condition.empty() ? "" : " AND ") + condition;
  }
  void where_text(const std::string& attribute, std::string is) {
    where(name(attribute) + " = " + text(std::move(is)));
  }
  void where_epoch(std::int64_t epoch) { where_text("ep", std::to_string(epoch)); }
  void where_absent(const std::string& attribute) {
    where("attribute_not_exists(" + name(attribute) + ")");
  }
  void where_free(int slot, StoreTime now) {
    where("(attribute_not_exists(" + name(fleet::slot_field(slot)) + ") OR " +
          name(expiry_name(slot)) + " <= " + number(to_ms(now)) + ")");
  }

  aws::ItemUpdate done() {
    for (const auto& [word, clauses] :
         {std::pair("SET ", &set_), std::pair("ADD ", &add_), std::pair("REMOVE ", &remove_)}) {
      if (clauses->empty()) continue;
      update_.update += (update_.update.empty() ? "" : " ") + (word + *clauses);
    }
    return std::move(update_);
  }

 private:
  static void list(std::string& clauses, const std::string& one) {
    clauses += (clauses.empty() ? "" : ", ") + one;
  }
  aws::ItemUpdate update_;
  std::string set_;
  std::string add_;
  std::string remove_;
};

// Sums are kept to a millionth: the service counts in decimals, of which a third has no end.
AttributeValue amount(double sum) {
  return AttributeValue::of_number(fleet::number_text(std::round(sum * 1e6) / 1e6));
}

void keep_alive(Writing& writing, const Item& last, StoreTime now) {
  if (last.contains("hold") && !says(last, "hold", "")) return;
  const std::int64_t ends = to_ms(now) / 1'000 + kLifetime.count();
  if (number_of(last, kItemTtl).value_or(0) > ends - kLifetime.count() / 2) return;
  writing.set(kItemTtl, AttributeValue::of_number(ends));
  // A hold that `last` does not show yet must not get an end.
  const std::string hold = writing.name("hold");
  writing.where("(attribute_not_exists(" + hold + ") OR " + hold + " = " + writing.text("") + ")");
}

// ---- Operations -------------------------------------------------------------------------------

ItemStep plan(const fleet::ReadOp&, const Item&, bool decides, const Bounds&) {
  if (decides) return Status::ok;
  return ReadFirst{};
}

// Of how many seconds a set is: evidence goes set by set, so a few of them make its age.
int set_bits(const fleet::ReportOp& op) {
  if (!op.evidence_age) return kSetBitsUnknown;
  const std::int64_t quarter = op.evidence_age->count() / 4'000;
  int bits = 0;
  while (bits < kSetBitsMax && (std::int64_t{2} << bits) <= quarter) ++bits;
  return bits;
}

bool takes_reports(const Item& last, const std::string& name) {
  const auto it = last.find(name);
  if (it == last.end()) return true;
  return it->second.kind == AttributeValue::Kind::string_set && it->second.set.size() < kSetMax;
}

// Adds the report to the set of its time, which it finds without having seen the item, also when it
// comes a second time. A part that is full stays full, so the condition on the size says that this
// is the last one. Parts that are not the last are not filled again, should they have gone.
SetName add_report(Writing& writing, const Item& last, const fleet::ReportOp& op) {
  SetName set = set_for(op.epoch, set_bits(op), op.report->sent);
  const std::string text = op.report->encode();
  std::string known;
  const auto is_not_in = [&](const std::string& name) {
    if (known.empty()) known = writing.text(text);
    return "NOT contains(" + writing.name(name) + ", " + known + ")";
  };
  std::vector<int> parts;
  for (const auto& [name, value] : last) {
    const auto other = set_name(name);
    if (!other || other->epoch != set.epoch || other->bits != set.bits || other->span != set.span)
      continue;
    parts.push_back(other->part);
    set.part = std::max(set.part, other->part);
  }
  while (!takes_reports(last, set.text())) ++set.part;
  for (const int part : parts) {
    SetName other = set;
    other.part = part;
    if (part != set.part) writing.where(is_not_in(other.text()));
  }
  const std::string name = set.text();
  writing.add(name, AttributeValue::of_set({text}));
  writing.where("(attribute_not_exists(" + writing.name(name) + ") OR (size(" + writing.name(name) +
                ") < " + writing.number(std::int64_t{kSetMax}) + " AND " + is_not_in(name) + "))");
  return set;
}

// What is of another epoch, too old to decide anything, or more than any store keeps. Should a
// report come to a set that is too old meanwhile, it is just as old; of one that goes because there
// are more, with newer reports in it, it must be the set that was seen.
void remove_old_sets(Writing& writing, const Item& last, const fleet::ReportOp& op,
                     const SetName& target, StoreTime now) {
  using Age = std::pair<StoreTime, std::string>;  // as snapshot_of() orders them
  std::set<Age> all{{op.report->sent, op.report->encode()}};
  std::vector<std::pair<std::string, Age>> newest_in;  // by the set's name
  for (const auto& [name, value] : last) {
    const auto set = set_name(name);
    if (!set) continue;
    const bool spent = op.evidence_age && set->ends() < now - *op.evidence_age;
    if (name != target.text() && (set->epoch != op.epoch || spent)) {
      writing.remove(name);
      continue;
    }
    Age newest;
    for (const std::string& text : value.set) {
      const auto report = fleet::Report::decode(text);
      if (!report) continue;
      const Age age{report->sent, text};
      all.insert(age);
      newest = std::max(newest, age);
    }
    if (name != target.text()) newest_in.emplace_back(name, newest);
  }
  if (all.size() <= fleet::kReportsMax) return;
  const Age& oldest_kept = *std::prev(all.end(), fleet::kReportsMax);
  for (const auto& [name, newest] : newest_in) {
    if (newest >= oldest_kept) continue;
    writing.remove(name);
    const AttributeValue& seen = last.at(name);
    if (newest.second.empty()) continue;
    const std::string set = writing.name(name);
    writing.where("(attribute_not_exists(" + set + ") OR (size(" + set +
                  ") = " + writing.number(static_cast<std::int64_t>(seen.set.size())) +
                  " AND contains(" + set + ", " + writing.text(newest.second) + ")))");
  }
}

// Kept are this minute and the one before, and the two newest steps.
bool is_kept(const SumField& field, std::int64_t minute, const std::vector<std::uint32_t>& steps) {
  if (field.minute) return *field.minute == minute || *field.minute == minute - 1;
  return steps.size() <= 2 || *field.step >= steps[1];
}

// Whether anything is added.
bool add_sums(Writing& writing, const Item& last, const fleet::ReportOp& op, StoreTime now) {
  std::vector<std::uint32_t> steps;  // newest first
  if (op.step) steps.push_back(op.step->step);
  for (const auto& [name, value] : last) {
    const auto field = sum_field(name);
    if (field && field->step) steps.push_back(*field->step);
  }
  std::ranges::sort(steps, std::greater{});
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  const std::int64_t minute = fleet::minute_of(now);
  bool adds = false;
  for (const auto& [name, sum] : sums_of(op, now)) {
    if (!is_kept(*sum_field(name), minute, steps)) continue;
    // Sums are hints: one that somebody spoilt must not fail the report.
    if (!takes(last, name, AttributeValue::Kind::number)) continue;
    writing.add(name, amount(sum));
    adds = true;
  }
  for (const auto& [name, value] : last) {
    const auto field = sum_field(name);
    if (field && !is_kept(*field, minute, steps)) writing.remove(name);
  }
  return adds;
}

ItemStep plan(const fleet::ReportOp& op, const Item& last, bool decides, const Bounds& time) {
  Writing writing;
  if (op.report) {
    const bool in_range = op.report->sent >= time.at_least - fleet::kReportAgeMax &&
                          op.report->sent <= time.at_most + fleet::kReportAheadMax;
    if (!in_range && !decides) return ReadFirst{};
    const std::string report = op.report->encode();
    if (decides) {
      if (!in_epoch(last, op.epoch)) return Status::late;
      if (!in_range) return Status::out_of_range;
      for (const auto& [name, value] : last) {
        const auto set = set_name(name);
        if (!set || set->epoch != op.epoch) continue;
        if (std::ranges::find(value.set, report) != value.set.end()) return Status::duplicate;
      }
    }
    writing.where_epoch(op.epoch);
    const SetName set = add_report(writing, last, op);
    remove_old_sets(writing, last, op, set, time.at_least);
  }
  if (!add_sums(writing, last, op, time.at_least) && !op.report) {
    if (decides) return Status::ok;
    return ReadFirst{};
  }
  keep_alive(writing, last, time.at_least);
  return writing.done();
}

// A count that somebody spoilt makes the record unreadable, which is said elsewhere.
void count_probe(Writing& writing, const Item& last, const char* what) {
  if (!takes(last, what, AttributeValue::Kind::number)) return;
  writing.add(what, AttributeValue::of_number(std::int64_t{1}));
}

ItemStep plan(const fleet::ClaimOp& op, const Item& last, bool decides, const Bounds& time) {
  const int slot = op.claim.slot;
  const std::string me = to_string(op.claim.owner());
  const std::optional<std::string> seen =
      op.seen ? std::optional(to_string(*op.seen)) : std::optional<std::string>();
  bool renews = seen == me;
  bool lost = false;  // the slot of a call that began, and of which nothing was heard
  if (decides) {
    if (!in_epoch(last, op.epoch)) return Status::late;
    renews = says(last, fleet::slot_field(slot), me);
    const bool may =
        renews ? is_held_by(last, slot, me)
               : says(last, fleet::slot_field(slot), seen) && is_free(last, slot, time.at_least);
    if (!may) return Status::taken;
    lost = !renews && says(last, begun_name(slot), std::to_string(op.epoch));
  }
  // Until then by the latest that it can be now, so that nobody who reckons with the earliest takes
  // it too soon.
  std::int64_t until = to_ms(time.at_most + op.claim.lease);
  Writing writing;
  writing.where_epoch(op.epoch);
  if (renews) {
    // Never back: a renewal that comes late, after the next one, must not shorten what that said.
    if (is_held_by(last, slot, me)) until = std::max(until, *number_of(last, expiry_name(slot)));
    writing.where_text(fleet::slot_field(slot), me);
    writing.where(writing.name(expiry_name(slot)) + " > " + writing.number(0));
    writing.where(writing.name(expiry_name(slot)) + " <= " + writing.number(until));
  } else {
    if (seen) {
      writing.where_text(fleet::slot_field(slot), *seen);
    } else {
      writing.where_absent(fleet::slot_field(slot));
    }
    writing.where_free(slot, time.at_least);
    const std::string begun = writing.name(begun_name(slot));
    const std::string epoch = writing.text(std::to_string(op.epoch));
    if (lost) {
      writing.where(begun + " = " + epoch);
      count_probe(writing, last, "pfail");
    } else {
      writing.where("(attribute_not_exists(" + begun + ") OR " + begun + " <> " + epoch + ")");
    }
    writing.set(fleet::slot_field(slot), AttributeValue::of_text(me));
    if (!op.starts) writing.remove(begun_name(slot));
  }
  writing.set(expiry_name(slot), AttributeValue::of_number(until));
  if (op.starts) {
    writing.set(begun_name(slot), AttributeValue::of_text(std::to_string(op.epoch)));
  }
  return writing.done();
}

ItemStep plan(const fleet::SettleOp& op, const Item& last, bool decides, const Bounds&) {
  const std::string me = to_string(fleet::SlotOwner{op.holder, op.token});
  bool counts = op.settlement != fleet::Settlement::returned;
  if (decides) {
    if (!is_held_by(last, op.slot, me)) return Status::gone;
    counts = counts && in_epoch(last, op.epoch);
  }
  Writing writing;
  writing.where_text(fleet::slot_field(op.slot), me);
  writing.where(writing.name(expiry_name(op.slot)) + " > " + writing.number(0));
  writing.set(expiry_name(op.slot), AttributeValue::of_number(std::int64_t{0}));
  writing.remove(begun_name(op.slot));
  if (counts) {
    writing.where_epoch(op.epoch);
    count_probe(writing, last, op.settlement == fleet::Settlement::success ? "pok" : "pfail");
  }
  return writing.done();
}

ItemStep plan(const fleet::SwapOp& op, const Item& last, bool decides, const Bounds& time) {
  const bool creates = op.expected_epoch == 0 && op.expected_revision == 0;
  const std::string epoch = std::to_string(op.expected_epoch);
  const std::string revision = std::to_string(op.expected_revision);
  const bool due = !op.not_before || time.at_least >= *op.not_before;
  if (!decides && !due) return ReadFirst{};
  if (decides) {
    if (in_epoch(last, op.next.epoch) && says(last, "rev", std::to_string(op.next.revision)) &&
        says(last, "swap", std::to_string(op.next.swap_id))) {
      return Status::ok;  // this very swap, repeated
    }
    if (creates ? has_record(last) : !says(last, "ep", epoch) || !says(last, "rev", revision)) {
      return Status::conflict;
    }
    if (op.unless_probe_failed && number_of(last, "pfail") != 0) return Status::conflict;
    if (!due) return Status::not_due;
    if (op.claim && !is_free(last, op.claim->slot, time.at_least)) return Status::taken;
  }
  Writing writing;
  if (creates) {
    writing.where_absent("ep");
  } else {
    writing.where_text("ep", epoch);
    writing.where_text("rev", revision);
  }
  if (op.unless_probe_failed) writing.where(writing.name("pfail") + " = " + writing.number(0));
  const bool new_epoch = creates || op.expected_epoch != op.next.epoch;
  for (auto& [name, value] : fleet::encode_fields(op.next)) {
    if (name == "pok" || name == "pfail") continue;  // settlements count them
    writing.set(name, AttributeValue::of_text(std::move(value)));
  }
  if (new_epoch) {
    for (const char* count : {"pok", "pfail"}) {
      writing.set(count, AttributeValue::of_number(std::int64_t{0}));
    }
    for (const auto& [name, value] : last) {
      if (set_name(name)) writing.remove(name);
    }
  }
  for (const auto& [name, value] : last) {
    const auto field = sum_field(name);
    if (!field || !field->step) continue;
    if (*field->step != op.next.step && *field->step + std::uint64_t{1} != op.next.step) {
      writing.remove(name);
    }
  }
  if (op.claim) {
    const int slot = op.claim->slot;
    writing.where_free(slot, time.at_least);
    writing.set(fleet::slot_field(slot), AttributeValue::of_text(to_string(op.claim->owner())));
    writing.set(expiry_name(slot),
                AttributeValue::of_number(to_ms(time.at_most + op.claim->lease)));
    writing.remove(begun_name(slot));
  }
  if (op.next.hold.kind != HoldKind::none) {
    writing.remove(kItemTtl);
  } else {
    writing.set(kItemTtl, AttributeValue::of_number(to_ms(time.at_least) / 1'000 +
                                                    std::int64_t{kLifetime.count()}));
  }
  return writing.done();
}

}  // namespace

ItemStep step_of(const fleet::Operation& operation, const FoundItem* last, bool decides,
                 const Bounds& time) {
  static const Item kNone;
  SG_ASSERT(last || !decides);
  const Item& item = last && last->item ? *last->item : kNone;
  return std::visit([&](const auto& op) { return plan(op, item, decides, time); }, operation);
}

bool settled_late(const fleet::SettleOp& op, const Item& after) {
  return !in_epoch(after, op.epoch);
}

}  // namespace switchgear::stores
