#include "stores/dynamodb_note.h"

#include "fleet/text.h"
#include "stores/dynamodb_attributes.h"

namespace switchgear::stores {
namespace {

constexpr char kRevision[] = "rev";
constexpr char kText[] = "note";

}  // namespace

Result<Note> note_of(const std::optional<aws::Item>& item) {
  using Kind = aws::AttributeValue::Kind;
  if (!item || !item->contains(kRevision)) return Note{};
  const auto revision = attributes::text_of(*item, kRevision).value_or("");
  const auto number = fleet::to_number<std::uint64_t>(revision);
  if (!number || !attributes::is_of(*item, kRevision, Kind::number)) {
    return unreadable_note("its revision is no number");
  }
  if (!attributes::is_of(*item, kText, Kind::text)) return unreadable_note("it has no text");
  return Note{.revision = *number, .text = item->at(kText).value};
}

aws::ItemUpdate note_update(std::uint64_t expected, const std::string& text) {
  const auto number = [](std::uint64_t value) {
    return aws::AttributeValue::of_number(std::to_string(value));
  };
  aws::ItemUpdate update{
      .table = {},
      .key = {},
      .update = "SET #rev = :next, #note = :text",
      .condition = "attribute_not_exists(#rev)",
      .names = {{"#rev", kRevision}, {"#note", kText}},
      .values = {{":next", number(expected + 1)}, {":text", aws::AttributeValue::of_text(text)}}};
  if (expected > 0) {
    update.condition = "#rev = :expected";
    update.values.emplace(":expected", number(expected));
  }
  return update;
}

}  // namespace switchgear::stores
