// The table of AWS Powertools' circuit breaker, for people who look at circuits and hold them. No
// store: nobody can guard calls by it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/access.h"
#include "aws/client.h"
#include "aws/dynamodb.h"
#include "net/http_client.h"
#include "stores/powertools_address.h"
#include "stores/powertools_item.h"

namespace switchgear::stores {

// A circuit as it was read at `time`, by DynamoDB's clock (whole seconds).
struct PowertoolsReading {
  std::string name;
  StoreTime time{};
  std::optional<aws::Item> item = {};                       // nothing: there is none
  Result<PowertoolsCircuit> circuit = PowertoolsCircuit{};  // if there is an item
};

struct PowertoolsListing {
  StoreTime time{};
  std::vector<PowertoolsReading> circuits;  // by their names
  bool one_page = true;                     // whether one request read all there was to read
};

enum class PowertoolsWrite : unsigned char { done, changed_meanwhile };

// On the loop's thread. Callbacks once, never from inside the call; none after destruction. Errors
// of aws/, with what to do about the URL where it may be wrong.
class PowertoolsTable {
 public:
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  // Endpoint, region and credentials come from the environment unless the URL says otherwise.
  // `listener` hears of trouble with these. `loop` outlives the table. Errors: "url", and those of
  // aws/ for what the environment lacks.
  static Result<std::unique_ptr<PowertoolsTable>> open(
      net::Loop& loop, std::string_view url, std::uint64_t seed,
      const aws::Environment& environment, const aws::CredentialsListener& listener = {});
  ~PowertoolsTable();
  PowertoolsTable(const PowertoolsTable&) = delete;
  PowertoolsTable& operator=(const PowertoolsTable&) = delete;

  const PowertoolsAddress& address() const { return address_; }

  // Every circuit that has an item. Eventually consistent. Without a partition this reads the whole
  // table.
  void list(Callback<PowertoolsListing> callback);
  void read(const std::string& circuit, bool consistent, Callback<PowertoolsReading> callback);
  // `change` is of a reading of this table.
  void write(PowertoolsChange change, Callback<PowertoolsWrite> callback);

 private:
  PowertoolsTable(net::Loop& loop, PowertoolsAddress address, aws::Access access,
                  std::uint64_t seed);
  void list_page(std::shared_ptr<PowertoolsListing> found, const aws::Item& after,
                 Callback<PowertoolsListing> callback);
  Error explained(Error error) const;

  const PowertoolsAddress address_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  // Last, so that they go first.
  net::HttpClient http_;
  aws::AwsClient client_;
  aws::DynamoDb dynamodb_;
};

}  // namespace switchgear::stores
