// Names of DynamoDB tables.
#pragma once

#include <string_view>

namespace switchgear::stores {

inline constexpr char kTableNameRule[] = "3 to 255 characters of A-Z a-z 0-9 _ . -";

// As DynamoDB and its endpoints have them.
constexpr bool is_table_name(std::string_view text) {
  return text.size() >= 3 && text.size() <= 255 &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") ==
             std::string_view::npos;
}

}  // namespace switchgear::stores
