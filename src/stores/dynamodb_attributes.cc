#include "stores/dynamodb_attributes.h"

#include <array>

#include "fleet/text.h"

namespace switchgear::stores::attributes {

using aws::AttributeValue;
using aws::Item;
using fleet::to_number;

namespace {

const AttributeValue* find(const Item& item, const std::string& name) {
  const auto it = item.find(name);
  return it == item.end() ? nullptr : &it->second;
}

}  // namespace

std::optional<std::string> text_of(const Item& item, const std::string& name) {
  const AttributeValue* value = find(item, name);
  if (!value ||
      (value->kind != AttributeValue::Kind::text && value->kind != AttributeValue::Kind::number)) {
    return std::nullopt;
  }
  return value->value;
}

bool is_of(const Item& item, const std::string& name, AttributeValue::Kind kind) {
  const AttributeValue* value = find(item, name);
  return value && value->kind == kind;
}

std::optional<std::int64_t> number_of(const Item& item, const std::string& name) {
  if (!is_of(item, name, AttributeValue::Kind::number)) return std::nullopt;
  return to_number<std::int64_t>(find(item, name)->value);
}

bool says(const Item& item, const std::string& name, const std::optional<std::string>& text) {
  if (!text) return !item.contains(name);
  return is_of(item, name, AttributeValue::Kind::text) && find(item, name)->value == *text;
}

bool takes(const Item& item, const std::string& name, AttributeValue::Kind kind) {
  return !item.contains(name) || is_of(item, name, kind);
}

std::string expiry_name(int slot) { return fleet::slot_field(slot) + "e"; }
std::string begun_name(int slot) { return fleet::slot_field(slot) + "b"; }

bool is_slot_part(std::string_view name) {
  if (name.size() < 3 || name[0] != 's' || (name.back() != 'e' && name.back() != 'b')) return false;
  return to_number<int>(name.substr(1, name.size() - 2)).has_value();
}

StoreTime SetName::ends() const { return store_time_ms(((span + 1) << bits) * 1'000); }

std::string SetName::text() const {
  return "e" + std::to_string(epoch) + "." + std::to_string(bits) + "." + std::to_string(span) +
         "." + std::to_string(part);
}

SetName set_for(std::int64_t epoch, int bits, StoreTime sent) {
  return {.epoch = epoch, .bits = bits, .span = (to_ms(sent) / 1'000) >> bits};
}

std::optional<SetName> set_name(std::string_view name) {
  if (!name.starts_with('e')) return std::nullopt;
  name.remove_prefix(1);
  std::array<std::int64_t, 4> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const bool last = i + 1 == numbers.size();
    const auto dot = last ? name.size() : name.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto number = to_number<std::int64_t>(name.substr(0, dot));
    if (!number || *number < 0) return std::nullopt;
    numbers[i] = *number;
    name.remove_prefix(last ? dot : dot + 1);
  }
  constexpr std::int64_t kSpanMax = std::int64_t{1} << 40;
  constexpr std::int64_t kPartMax = 1'000'000;
  if (numbers[1] > kSetBitsMax || numbers[2] > kSpanMax || numbers[3] > kPartMax) {
    return std::nullopt;
  }
  return SetName{.epoch = numbers[0],
                 .bits = static_cast<int>(numbers[1]),
                 .span = numbers[2],
                 .part = static_cast<int>(numbers[3])};
}

bool has_record(const Item& item) { return item.contains("ep"); }

bool in_epoch(const Item& item, std::int64_t epoch) {
  return says(item, "ep", std::to_string(epoch));
}

bool is_free(const Item& item, int slot, StoreTime now) {
  if (!item.contains(fleet::slot_field(slot))) return true;
  const auto expiry = number_of(item, expiry_name(slot));
  return expiry && *expiry <= to_ms(now);
}

bool is_held_by(const Item& item, int slot, const std::string& owner) {
  return says(item, fleet::slot_field(slot), owner) &&
         number_of(item, expiry_name(slot)).value_or(0) > 0;
}

}  // namespace switchgear::stores::attributes
