// Tries the DynamoDB store on a table of its own: makes the table, runs every behaviour of the
// stores on it, times the operations and counts what they consume, and removes the table, whatever
// happened in between. For `switchgear verify aws`; takes a minute or two on AWS.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/dynamodb.h"
#include "net/waiting.h"
#include "stores/dynamodb_store.h"
#include "stores/trial.h"

namespace switchgear::stores {

// List prices of on-demand capacity, USD per million units, with what they are of. An assumption:
// other regions and contracts pay otherwise.
struct CapacityPrices {
  double read_units = 0.125;
  double write_units = 0.625;
  std::string_view of = "us-east-1, list price of August 2026";
};

struct VerificationOptions {
  std::string table;  // is made; must not be there
  int rounds = 100;   // operations of each kind that are timed
  // Opens a store on the table; its requests are told to `on_consumed`. The behaviours are judged
  // by consistent reads, as an eventually consistent one may rightly show no trace of a report yet.
  std::function<Result<std::unique_ptr<DynamoDbStore>>(
      std::function<void(const aws::Consumed&)> on_consumed, bool consistent_reads)>
      open;
  std::function<void(const std::string& what)> progress = {};  // may be empty
  // How long a table is looked for that may have been made and has not been seen. DynamoDB may not
  // know a new one for some seconds.
  Duration appears_within = 30s;
};

// One kind of operation.
struct OperationFigures {
  std::string name;               // "read", "claim"
  std::vector<Duration> times{};  // sorted
  int failed = 0;
  double read_units = 0;  // all of them together
  double write_units = 0;
  int untold = 0;  // writes whose condition failed: charged, but the answer does not say how much

  // The share `q` of all took no longer; 0 if there are none.
  Duration quantile(double q) const;
};

struct BehaviourResult {
  std::string name;
  std::vector<Flaw> flaws;  // empty: it holds
};

struct Verification {
  std::vector<BehaviourResult> behaviours;
  std::vector<OperationFigures> operations;
  OperationFigures all;  // of the whole run, behaviours included; without times
  int requests = 0;
  bool made = false;     // the table was made, or may have been
  bool seen = false;     // and it was there
  bool removed = false;  // and it is gone, or on its way
  // What ended it early, or kept the table from being removed, each with what to do.
  std::vector<std::string> problems;
  std::optional<Error> failure;  // the first of them
};

// No run makes more requests than this. Each is taken to cost 16 write units, what the largest item
// of a circuit takes; the one that writes the longest note costs 65, of which the many that only
// read more than make up for.
inline constexpr int kVerificationRequestsMax = 20'000;
double cost_at_most(const CapacityPrices& prices);
double cost_of(const OperationFigures& figures, const CapacityPrices& prices);

// `loop` outlives the call; `stopped` as in net::Waiting.
Verification verify(net::Loop& loop, const std::function<bool()>& stopped,
                    const VerificationOptions& options);

// The IAM policy that verify() needs, as JSON; `table` may end in *.
std::string verification_policy(const std::string& region, const std::string& table);

// Somebody else's text without account numbers and ARNs.
std::string without_accounts(std::string text);

}  // namespace switchgear::stores
