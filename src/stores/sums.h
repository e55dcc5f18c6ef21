// The sums of a circuit as backends keep them, field by field: "c:<minute>", "a:", "m:", "h:" of
// the meter (calls, active_ms, members, hellos), and "s<step>:ok" … of the steps of a recovery.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fleet/store_ops.h"

namespace switchgear::stores {

// What an operation adds, without what would add nothing. `now`: the store's time.
std::vector<std::pair<std::string, double>> sums_of(const fleet::ReportOp& op, StoreTime now);

// Reads the fields that are sums into meter and steps, by `snapshot.time`; others, and sums that
// are no numbers, are left out.
void read_sums(const fleet::Fields& fields, fleet::Snapshot& snapshot);

// The minute or the step that a field belongs to; nothing if the field is no sum.
struct SumField {
  std::optional<std::int64_t> minute;
  std::optional<std::uint32_t> step;
};
std::optional<SumField> sum_field(std::string_view name);

}  // namespace switchgear::stores
