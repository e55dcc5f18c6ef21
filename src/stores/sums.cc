#include "stores/sums.h"

#include <array>
#include <map>

#include "fleet/text.h"

namespace switchgear::stores {
namespace {

using fleet::to_number;

template <class T>
using Field = std::pair<std::string_view, double T::*>;

constexpr std::array kMinuteFields{Field<fleet::MeterMinute>{"c", &fleet::MeterMinute::calls},
                                   Field<fleet::MeterMinute>{"a", &fleet::MeterMinute::active_ms},
                                   Field<fleet::MeterMinute>{"m", &fleet::MeterMinute::members},
                                   Field<fleet::MeterMinute>{"h", &fleet::MeterMinute::hellos}};
constexpr std::array kStepFields{Field<core::StepSums>{"ok", &core::StepSums::ok},
                                 Field<core::StepSums>{"overload", &core::StepSums::overload},
                                 Field<core::StepSums>{"failure", &core::StepSums::failure},
                                 Field<core::StepSums>{"rtt", &core::StepSums::rtt_sum_ms},
                                 Field<core::StepSums>{"rtt_n", &core::StepSums::rtt_count},
                                 Field<core::StepSums>{"busy", &core::StepSums::busy_ms},
                                 Field<core::StepSums>{"refused", &core::StepSums::refused},
                                 Field<core::StepSums>{"n", &core::StepSums::members}};

template <class T, std::size_t N>
double* member_of(T& sums, const std::array<Field<T>, N>& fields, std::string_view name) {
  for (const auto& [field, member] : fields) {
    if (field == name) return &(sums.*member);
  }
  return nullptr;
}

}  // namespace

std::vector<std::pair<std::string, double>> sums_of(const fleet::ReportOp& op, StoreTime now) {
  std::vector<std::pair<std::string, double>> sums;
  const std::string minute = ":" + std::to_string(fleet::minute_of(now));
  const std::array meter{op.meter.calls, op.meter.active_ms, op.meter.members, op.meter.hellos};
  for (std::size_t i = 0; i < meter.size(); ++i) {
    if (meter[i] != 0) sums.emplace_back(std::string(kMinuteFields[i].first) + minute, meter[i]);
  }
  if (!op.step) return sums;
  for (const auto& [name, member] : kStepFields) {
    const double amount = op.step->sums.*member;
    if (amount == 0) continue;
    sums.emplace_back("s" + std::to_string(op.step->step) + ":" + std::string(name), amount);
  }
  return sums;
}

std::optional<SumField> sum_field(std::string_view name) {
  const auto colon = name.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  if (const auto minute = to_number<std::int64_t>(name.substr(colon + 1))) {
    return SumField{.minute = minute, .step = std::nullopt};
  }
  if (!name.starts_with('s')) return std::nullopt;
  const auto step = to_number<std::uint32_t>(name.substr(1, colon - 1));
  if (!step) return std::nullopt;
  return SumField{.minute = std::nullopt, .step = step};
}

void read_sums(const fleet::Fields& fields, fleet::Snapshot& snapshot) {
  const std::int64_t now = fleet::minute_of(snapshot.time);
  snapshot.meter = fleet::at_minute(fleet::Meter{}, now);
  std::map<std::uint32_t, core::StepSums> steps;
  for (const auto& [name, text] : fields) {
    const auto field = sum_field(name);
    const auto amount = to_number<double>(text);
    if (!field || !amount) continue;
    const auto colon = name.find(':');
    double* sum = nullptr;
    if (field->minute) {
      fleet::MeterMinute* minute = nullptr;
      if (*field->minute == now) minute = &snapshot.meter.current;
      if (*field->minute == now - 1) minute = &snapshot.meter.previous;
      if (minute) sum = member_of(*minute, kMinuteFields, std::string_view(name).substr(0, colon));
    } else {
      sum = member_of(steps[*field->step], kStepFields, std::string_view(name).substr(colon + 1));
    }
    if (sum) *sum = *amount;
  }
  for (const auto& [step, sums] : steps) snapshot.steps.push_back({.step = step, .sums = sums});
}

}  // namespace switchgear::stores
