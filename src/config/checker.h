// What validate() of the settings says of a value out of its range.
#pragma once

#include <string>
#include <string_view>

#include "config/values.h"
#include "core/problem.h"
#include "core/time.h"

namespace switchgear::config {

class Checker {
 public:
  void in_range(std::string_view field, int value, int low, int high, std::string_view example) {
    if (value >= low && value <= high) return;
    problem(field, std::to_string(value), std::to_string(low), std::to_string(high), example);
  }
  void in_range(std::string_view field, Duration value, Duration low, Duration high,
                std::string_view example) {
    if (value >= low && value <= high) return;
    problem(field, write_duration(value), write_duration(low), write_duration(high), example);
  }

  void in_range(std::string_view field, double value, double low, double high,
                std::string_view example) {
    if (value >= low && value <= high) return;
    problem(field, write_number(value), write_number(low), write_number(high), example);
  }

  Problems problems;

 private:
  void problem(std::string_view field, const std::string& value, const std::string& low,
               const std::string& high, std::string_view example) {
    problems.push_back({std::string(field), "is " + value + ", but must be from " + low + " to " +
                                                high + "; write for example " +
                                                std::string(example)});
  }
};

}  // namespace switchgear::config
