#include "stores/powertools_table.h"

#include <algorithm>
#include <utility>

namespace switchgear::stores {
namespace {

// For each attempt: a person waits, and a scan may take long.
constexpr Duration kAttemptTimeout = 5s;

Error error(std::string code, std::string message) {
  return Error{.code = std::move(code),
               .message = std::move(message),
               .retryable = false,
               .source = "dynamodb"};
}

Result<StoreTime> time_of(const std::optional<WallTime>& date) {
  if (date) return StoreTime{floor_ms(date->time_since_epoch())};
  return error("protocol",
               "the answer has no Date, by which the time at DynamoDB is told; a proxy in between "
               "must leave that header alone");
}

// Where a scan goes on can only be asked for by a key of a type that requests can hold.
bool can_be_sent(const aws::Item& key) {
  return std::ranges::all_of(
      key, [](const auto& part) { return part.second.kind != aws::AttributeValue::Kind::other; });
}

}  // namespace

PowertoolsTable::PowertoolsTable(net::Loop& loop, PowertoolsAddress address, aws::Access access,
                                 std::uint64_t seed)
    : address_(std::move(address)),
      http_(loop, std::move(access.http)),
      client_(loop, http_, access.endpoint, std::move(access.credentials), core::Random(seed),
              access.client),
      dynamodb_(client_, {.attempt_timeout = kAttemptTimeout}) {}

PowertoolsTable::~PowertoolsTable() { *alive_ = false; }

Result<std::unique_ptr<PowertoolsTable>> PowertoolsTable::open(
    net::Loop& loop, std::string_view url, std::uint64_t seed, const aws::Environment& environment,
    const aws::CredentialsListener& listener) {
  auto address = powertools_address(url);
  if (!address) return address.error();
  auto access =
      aws::open_access(loop, {.service = "dynamodb", .region = address->region}, environment, seed);
  if (!access) return access.error();
  access->credentials->listen(listener);
  return std::unique_ptr<PowertoolsTable>(
      new PowertoolsTable(loop, std::move(*address), std::move(*access), seed));
}

Error PowertoolsTable::explained(Error error) const {
  if (error.code == "ResourceNotFoundException") {
    error.message = "there is no table " + address_.table + " in region " +
                    client_.endpoint().region +
                    "; powertools://TABLE?region=REGION names the one that the functions give to "
                    "CircuitBreakerDynamoDBPersistence";
  } else if (error.code == "ValidationException") {
    error.message += "; are key_attr and sort_key_attr of the URL those of the table?";
  }
  return error;
}

void PowertoolsTable::list(Callback<PowertoolsListing> callback) {
  list_page(std::make_shared<PowertoolsListing>(), {}, std::move(callback));
}

void PowertoolsTable::list_page(std::shared_ptr<PowertoolsListing> found, const aws::Item& after,
                                Callback<PowertoolsListing> callback) {
  const PowertoolsNames& names = address_.names;
  aws::ItemSearch search{.table = address_.table, .having = names.state, .after = after};
  if (!names.sort_key.empty()) {
    search.partition_attribute = names.key;
    search.partition = names.partition;
  }
  dynamodb_.find_items(
      search, [this, alive = alive_, found = std::move(found),
               callback = std::move(callback)](const Result<aws::ItemsPage>& page) mutable {
        if (!*alive) return;
        if (!page) return callback(explained(page.error()));
        const auto time = time_of(page->date);
        if (!time) return callback(time.error());
        found->time = *time;
        for (const aws::Item& item : page->items) {
          std::string name = powertools_circuit_name(address_.names, item);
          if (name.empty()) {
            return callback(
                error("key", "an item of table " + address_.table +
                                 " has no text for its key; are key_attr and sort_key_attr of the "
                                 "URL those of the table?"));
          }
          auto circuit = read_powertools(address_.names, name, item);
          found->circuits.push_back({.name = std::move(name), .item = item, .circuit = circuit});
        }
        if (!page->last_key.empty()) {
          found->one_page = false;
          if (!can_be_sent(page->last_key)) {
            return callback(error("key", "table " + address_.table +
                                             " has a binary key; one of Powertools has text keys"));
          }
          return list_page(std::move(found), page->last_key, std::move(callback));
        }
        for (PowertoolsReading& circuit : found->circuits) circuit.time = found->time;
        std::ranges::sort(found->circuits, {}, &PowertoolsReading::name);
        callback(std::move(*found));
      });
}

void PowertoolsTable::read(const std::string& circuit, bool consistent,
                           Callback<PowertoolsReading> callback) {
  dynamodb_.get_item(address_.table, powertools_key(address_.names, circuit), consistent,
                     [this, alive = alive_, circuit,
                      callback = std::move(callback)](const Result<aws::ItemAnswer>& answer) {
                       if (!*alive) return;
                       if (!answer) return callback(explained(answer.error()));
                       const auto time = time_of(answer->date);
                       if (!time) return callback(time.error());
                       PowertoolsReading reading{
                           .name = circuit, .time = *time, .item = answer->item};
                       if (reading.item) {
                         reading.circuit = read_powertools(address_.names, circuit, *reading.item);
                       }
                       callback(std::move(reading));
                     });
}

void PowertoolsTable::write(PowertoolsChange change, Callback<PowertoolsWrite> callback) {
  change.update.table = address_.table;
  const aws::ItemUpdate update = change.update;
  dynamodb_.update_item(
      update, [this, alive = alive_, key = update.key, change = std::move(change),
               callback = std::move(callback)](const Result<aws::ItemAnswer>& answer) mutable {
        if (!*alive) return;
        if (!answer) return callback(explained(answer.error()));
        if (!answer->condition_failed) return callback(PowertoolsWrite::done);
        // An update whose answer was lost has been sent again, and does not find what it has
        // changed.
        const auto judge = [change = std::move(change),
                            callback](const std::optional<aws::Item>& item) {
          callback(item && change.done(*item) ? PowertoolsWrite::done
                                              : PowertoolsWrite::changed_meanwhile);
        };
        if (answer->item) return judge(answer->item);
        // There is none, or the server does not show it.
        dynamodb_.get_item(address_.table, key, true,
                           [alive = alive_, judge, callback](const Result<aws::ItemAnswer>& now) {
                             if (!*alive) return;
                             if (!now) return callback(now.error());
                             judge(now->item);
                           });
      });
}

}  // namespace switchgear::stores
