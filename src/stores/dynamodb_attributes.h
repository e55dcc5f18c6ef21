// The attributes of a circuit's item (dynamodb_item.h): their names, and what they say. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aws/dynamodb.h"
#include "fleet/record.h"

namespace switchgear::stores::attributes {

// Text and numbers alike; nothing for what is neither, or not there.
std::optional<std::string> text_of(const aws::Item& item, const std::string& name);

// What conditions and additions rely on must be of the very type: a text "5" equals no number 5,
// and adding to it is an error.
bool is_of(const aws::Item& item, const std::string& name, aws::AttributeValue::Kind kind);
std::optional<std::int64_t> number_of(const aws::Item& item, const std::string& name);
// Without a text: that it is not there.
bool says(const aws::Item& item, const std::string& name, const std::optional<std::string>& text);
// Whether something can be added there: a person may have put something else in its place.
bool takes(const aws::Item& item, const std::string& name, aws::AttributeValue::Kind kind);

// "s3" says who has the slot, "s3e" until when, "s3b" in which epoch its call began.
std::string expiry_name(int slot);
std::string begun_name(int slot);
bool is_slot_part(std::string_view name);
bool is_free(const aws::Item& item, int slot, StoreTime now);
// Whether somebody has it who has not given it back.
bool is_held_by(const aws::Item& item, int slot, const std::string& owner);

// A set of reports, "e<epoch>.<bits>.<span>.<part>": those sent in that span of 2^bits seconds
// since 1970. A part that is full is followed by the next one.
inline constexpr int kSetBitsMax = 10;
struct SetName {
  std::int64_t epoch = 0;
  int bits = 0;
  std::int64_t span = 0;
  int part = 0;
  StoreTime ends() const;
  std::string text() const;
};
// The set, part 0, that a report of that time belongs to.
SetName set_for(std::int64_t epoch, int bits, StoreTime sent);
std::optional<SetName> set_name(std::string_view name);

bool has_record(const aws::Item& item);
bool in_epoch(const aws::Item& item, std::int64_t epoch);

}  // namespace switchgear::stores::attributes
