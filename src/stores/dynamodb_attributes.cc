#include "stores/dynamodb_attributes.h"

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

std::optional<SetName> set_name(std::string_view name) {
  const auto dot = name.find('.');
  if (!name.starts_with('e') || dot == std::string_view::npos) return std::nullopt;
  const std::string_view epoch = name.substr(1, dot - 1);
  const auto generation = to_number<int>(name.substr(dot + 1));
  constexpr int kMax = 1'000'000'000;
  if (!generation || *generation < 0 || *generation > kMax) return std::nullopt;
  if (!to_number<std::int64_t>(epoch)) return std::nullopt;
  return SetName{.epoch = epoch, .generation = *generation};
}

std::string name_of_set(std::int64_t epoch, int generation) {
  return "e" + std::to_string(epoch) + "." + std::to_string(generation);
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
