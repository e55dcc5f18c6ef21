// What `switchgear doctor` found: one thing that was looked at, what is the case, and what to do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchgear::stores {

enum class Grade : unsigned char { ok, warning, error, not_checked };

struct Finding {
  std::string check;  // what was looked at: "eviction", "right to swap"
  Grade grade = Grade::ok;
  std::string found;     // what is the case; why it was not checked
  std::string fix = {};  // what to do about it; empty where there is nothing to do
};

constexpr std::string_view to_string(Grade grade) {
  switch (grade) {
    case Grade::ok:
      return "ok";
    case Grade::warning:
      return "warning";
    case Grade::error:
      return "error";
    case Grade::not_checked:
      return "not checked";
  }
  return "";
}

}  // namespace switchgear::stores
