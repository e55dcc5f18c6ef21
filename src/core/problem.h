// A problem in something a person wrote. Validation returns all of them at once.
#pragma once

#include <string>
#include <vector>

namespace switchgear {

struct Problem {
  // Where: "circuits.payments-api.probes", with the line where the reader knows it.
  std::string place;
  // What is wrong and what to write instead.
  std::string message;
  friend bool operator==(const Problem&, const Problem&) = default;
};
using Problems = std::vector<Problem>;

}  // namespace switchgear
