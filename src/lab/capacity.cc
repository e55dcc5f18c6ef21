#include "lab/capacity.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <variant>

#include "fleet/text.h"
#include "lab/capacity_meter.h"
#include "stores/dynamodb_item.h"
#include "stores/dynamodb_store.h"

namespace switchgear::lab {
namespace {

using aws::AttributeValue;
using aws::Item;

// DynamoDbStore's.
constexpr Duration kFresh = 2s;

double write_units(std::size_t bytes) {
  return std::max(1.0, std::ceil(static_cast<double>(bytes) / 1024));
}
// With eventual consistency.
double read_units(std::size_t bytes) {
  return std::max(1.0, std::ceil(static_cast<double>(bytes) / 4096)) / 2;
}

}  // namespace

bool CircuitItem::carry_out(const fleet::Operation& operation, StoreTime now) {
  const stores::FoundItem found{item_.empty() ? std::nullopt : std::optional(item_)};
  const stores::ItemStep step =
      stores::step_of(operation, &found, true, {.at_least = now, .at_most = now});
  const auto* update = std::get_if<aws::ItemUpdate>(&step);
  if (!update) return false;
  if (item_.empty())
    item_.emplace(stores::kItemKey, AttributeValue::of_text("switchgear/payments"));
  apply(*update);
  return true;
}

// Of DynamoDB's update expressions those that the store writes: "SET #a = :b, ... ADD #c :d, ...
// REMOVE #e, ...". That the condition holds is known.
void CircuitItem::apply(const aws::ItemUpdate& update) {
  std::istringstream words(update.update);
  std::string word;
  std::string clause;
  const auto plain = [](std::string text) {
    if (text.ends_with(',')) text.pop_back();
    return text;
  };
  while (words >> word) {
    if (word == "SET" || word == "ADD" || word == "REMOVE") {
      clause = word;
      continue;
    }
    const std::string& name = update.names.at(plain(word));
    if (clause == "REMOVE") {
      item_.erase(name);
      continue;
    }
    if (clause == "SET") words >> word;  // "="
    words >> word;
    const AttributeValue& value = update.values.at(plain(word));
    if (clause == "SET") {
      item_[name] = value;
    } else {
      add(item_[name], value);
    }
  }
}

void CircuitItem::add(AttributeValue& to, const AttributeValue& what) {
  if (what.kind == AttributeValue::Kind::string_set) {
    std::vector<std::string> texts = to.set;
    texts.insert(texts.end(), what.set.begin(), what.set.end());
    to = AttributeValue::of_set(std::move(texts));
    return;
  }
  const double sum = fleet::to_number<double>(to.value).value_or(0) +
                     fleet::to_number<double>(what.value).value_or(0);
  to = AttributeValue::of_number(fleet::number_text(std::round(sum * 1e6) / 1e6));
}

namespace {

// What DynamoDbStore uses for what the fleet's store is asked.
class Table {
 public:
  explicit Table(int members) : answered_(static_cast<std::size_t>(members), TrueTime{-1h}) {}

  void operator()(int process, const fleet::Operation& operation, const LeanFleet& fleet) {
    TrueTime& answered = answered_[static_cast<std::size_t>(process)];
    const std::size_t before = aws::item_bytes(item_.item());
    std::size_t after = before;
    CapacityUnits units;
    if (std::holds_alternative<fleet::ReadOp>(operation)) {
      units.reads = read_units(before);
    } else {
      const auto* swap = std::get_if<fleet::SwapOp>(&operation);
      const bool by_time = std::holds_alternative<fleet::ClaimOp>(operation) ||
                           (swap && (swap->not_before || swap->claim));
      if (by_time && answered + kFresh <= fleet.now()) units.reads = 2 * read_units(before);
      if (item_.carry_out(operation, fleet.store_time())) after = aws::item_bytes(item_.item());
      units.writes = write_units(std::max(before, after));
    }
    answered = fleet.now();
    meter.use(fleet.now(), units, after);
  }

  CapacityMeter meter;

 private:
  std::vector<TrueTime> answered_;  // by process: when it last heard what time it is there
  CircuitItem item_;
};

}  // namespace

CapacityFigures measure_capacity(const CapacityOptions& wanted) {
  FleetOptions options{.shape = wanted.shape, .background = wanted.background, .seed = wanted.seed};
  options.policy.view_refresh = 5s;
  options.limits = stores::DynamoDbStore::kLimits;
  const LeanFleet::Tables tables = LeanFleet::tables_of(options);
  LeanFleet fleet(options, tables);
  const auto watch = [](LeanFleet& watched, Table& table) {
    watched.on_operation([&table](int process, const fleet::Operation& operation,
                                  const LeanFleet& f) { table(process, operation, f); });
  };
  Table table(options.shape.members);
  watch(fleet, table);
  CapacityFigures figures;
  fleet.run_until(kStart);
  figures.start = table.meter.end(kStart, fleet.calls(), fleet.refused());

  {
    LeanFleet calm = fleet;
    Table its = table;
    watch(calm, its);
    calm.run_for(kMinute);
    figures.healthy = its.meter.end(kMinute, calm.calls(), calm.refused());
  }
  {
    LeanFleet idle = fleet;
    Table its = table;
    watch(idle, its);
    idle.fall_silent();
    idle.run_for(wanted.idle);
    figures.idle = its.meter.end(wanted.idle, idle.calls(), idle.refused());
  }
  fleet.begin_failing(wanted.failing);
  table.meter.calls_from_zero();
  fleet.run_for(wanted.outage);
  figures.opened = fleet.opened();
  figures.outage = table.meter.end(wanted.outage, fleet.calls(), fleet.refused());
  fleet.begin_failing(options.background);
  table.meter.calls_from_zero();
  fleet.run_for(kAfter);
  figures.after = table.meter.end(kAfter, fleet.calls(), fleet.refused());
  figures.closed = fleet.state() == State::closed;
  return figures;
}

CapacityUnits units_of_a_counter(const CapacityPhase& phase) {
  const auto calls = static_cast<double>(phase.calls);
  return {.writes = calls, .reads = (calls + static_cast<double>(phase.refused)) / 2};
}

}  // namespace switchgear::lab
