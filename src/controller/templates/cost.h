// What a stack costs in a month, from a dated list of prices. Without free tiers, which an account
// shares with everything else in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/templates/options.h"

namespace switchgear::controller {

// AWS's list for us-east-1; other regions differ by some percent.
inline constexpr std::string_view kPricesAsOf = "list prices of us-east-1, September 2026";

struct Cost {
  std::string what;
  double usd = 0;  // per month of 730 hours
};
using Costs = std::vector<Cost>;
double total(const Costs& costs);

// While the circuit is closed all month. An hour of outage, in which the controller works all the
// time, adds less than a cent.
Costs costs_of_breaker(const TemplateOptions& options);
Costs costs_of_controller(const TemplateOptions& options);
Costs costs_of_faults(const TemplateOptions& options);

}  // namespace switchgear::controller
