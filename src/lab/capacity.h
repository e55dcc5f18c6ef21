// What a fleet costs in a table of DynamoDB, in its own units: by the shipped fleet::Member in
// virtual time (lean_fleet.h), as DynamoDbStore carries it out if nobody's write fails for
// another's, beside two other designs under the same calls.
//
// A write takes one unit for each KB of the item, before or after it, whichever is larger, and so
// does one whose condition fails. A read takes half a unit for each 4 KB, with consistency a whole
// one. Sizes by the rules that AWS publishes for items.
#pragma once

#include <cstdint>

#include "aws/dynamodb.h"
#include "lab/lean_fleet.h"

namespace switchgear::lab {

// On demand, us-east-1, November 2024 to August 2026.
inline constexpr double kUsdPerMillionWrites = 0.625;
inline constexpr double kUsdPerMillionReads = 0.125;

struct CapacityUnits {
  double writes = 0;
  double reads = 0;
  double usd() const { return (writes * kUsdPerMillionWrites + reads * kUsdPerMillionReads) / 1e6; }
};

struct CapacityPhase {
  double seconds = 0;
  std::uint64_t calls = 0;    // that were made
  std::uint64_t refused = 0;  // that were not, as the circuit was not closed
  CapacityUnits units;
  // In the busiest second. One item bears 1,000 and 3,000.
  double writes_max = 0;
  double reads_max = 0;
  std::size_t item_bytes_max = 0;
};

struct CapacityFigures {
  CapacityPhase start;    // the first 65 s: everybody says hello
  CapacityPhase healthy;  // the minute after it
  CapacityPhase outage;   // from then on instead: of the calls that are made `failing` fail
  CapacityPhase after;    // and then no more than before, for two minutes
  CapacityPhase idle;     // from the 65th second on nobody calls
  bool opened = false;
  bool closed = false;  // at the end of `after`
};

struct CapacityOptions {
  FleetShape shape;
  double background = 0.005;  // the rate of failures in health
  double failing = 1;         // and in the outage
  std::uint64_t seed = 1;
  Duration outage = 10min;
  Duration idle = 24h;
};

// With the default policy, views of 5 s and the limits of DynamoDbStore.
CapacityFigures measure_capacity(const CapacityOptions& options);

// The rule of AWS Powertools for Lambda (Python), as of its general availability: each process
// counts failures in a row, reads through a cache of 5 s, and writes when the state changes; after
// 30 s whoever has a call tries to become the one that probes. Units by its own item of some 200
// bytes. Same calls and phases.
CapacityFigures measure_powertools(const CapacityOptions& options);

// A counter in the table: each call reads the item first, and writes after it unless it was
// refused.
CapacityUnits units_of_a_counter(const CapacityPhase& phase);

// The circuit's item, as DynamoDbStore writes it.
class CircuitItem {
 public:
  // Carries out what the store in memory has carried out. False if nothing is written for it.
  bool carry_out(const fleet::Operation& operation, StoreTime now);
  const aws::Item& item() const { return item_; }

 private:
  void apply(const aws::ItemUpdate& update);
  static void add(aws::AttributeValue& to, const aws::AttributeValue& what);

  aws::Item item_;
};

}  // namespace switchgear::lab
