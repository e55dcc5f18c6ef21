#include "stores/dynamodb_item.h"

#include <algorithm>

#include "fleet/text.h"
#include "stores/dynamodb_attributes.h"
#include "stores/sums.h"

namespace switchgear::stores {
namespace {

using namespace attributes;
using aws::AttributeValue;
using aws::Item;
using fleet::to_number;

// The text of a field that is only understood in its own type, as is said of it otherwise.
std::optional<std::string> typed_text(const Item& item, const std::string& name,
                                      AttributeValue::Kind kind) {
  auto text = text_of(item, name);
  if (text && !is_of(item, name, kind)) {
    *text += kind == AttributeValue::Kind::text ? " of type N" : " of type S";
  }
  return text;
}

fleet::Fields fields_of(const Item& item) {
  fleet::Fields fields;
  for (const auto& [name, value] : item) {
    if (name == kItemKey || name == kItemTtl || set_name(name) || is_slot_part(name)) continue;
    const bool counts = name == "pok" || name == "pfail";
    const bool compared = name == "ep" || name == "rev" || name == "swap";
    const auto text = counts     ? typed_text(item, name, AttributeValue::Kind::number)
                      : compared ? typed_text(item, name, AttributeValue::Kind::text)
                                 : text_of(item, name);
    if (text) fields.emplace_back(name, *text);
  }
  for (auto& [name, text] : fields) {
    if (name.size() < 2 || name[0] != 's' || !to_number<int>(std::string_view(name).substr(1)))
      continue;
    const auto kind = AttributeValue::Kind::text;
    text = typed_text(item, name, kind).value_or("") + "@" +
           typed_text(item, name + "e", AttributeValue::Kind::number).value_or("");
    if (const auto begun = typed_text(item, name + "b", kind)) text += "!" + *begun;
  }
  return fields;
}

}  // namespace

fleet::Snapshot snapshot_of(const std::optional<Item>& item, StoreTime now) {
  fleet::Snapshot snapshot;
  snapshot.time = now;
  if (!item) {
    read_sums({}, snapshot);
    return snapshot;
  }
  const fleet::Fields fields = fields_of(*item);
  if (has_record(*item)) snapshot.record = fleet::decode_record(fields);
  const auto epoch = text_of(*item, "ep");
  for (const auto& [name, value] : *item) {
    const auto set = set_name(name);
    if (!set || std::to_string(set->epoch) != epoch) continue;
    for (const std::string& text : value.set) {
      if (auto report = fleet::Report::decode(text)) {
        snapshot.reports.push_back(*report);
      } else {
        ++snapshot.unreadable_reports;
      }
    }
  }
  // By time, and for equal times by text, so that every backend drops the same ones.
  std::ranges::sort(snapshot.reports, [](const fleet::Report& a, const fleet::Report& b) {
    return a.sent != b.sent ? a.sent > b.sent : a.encode() > b.encode();
  });
  // One that was repeated after its set had been full, or had gone, may be in two.
  const auto twice = std::ranges::unique(snapshot.reports);
  snapshot.reports.erase(twice.begin(), twice.end());
  if (snapshot.reports.size() > fleet::kReportsMax) snapshot.reports.resize(fleet::kReportsMax);
  read_sums(fields, snapshot);
  return snapshot;
}

std::pair<std::int64_t, std::uint64_t> age_of(const std::optional<Item>& item) {
  if (!item) return {0, 0};
  const auto ep = text_of(*item, "ep");
  const auto epoch = ep ? to_number<std::int64_t>(*ep) : std::nullopt;
  const auto revision = text_of(*item, "rev");
  const auto number = revision ? to_number<std::uint64_t>(*revision) : std::nullopt;
  if (!epoch || !number) return {0, 0};
  return {*epoch, *number};
}

}  // namespace switchgear::stores
