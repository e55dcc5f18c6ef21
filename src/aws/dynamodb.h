// Amazon DynamoDB, API of 2012-08-10: what a store of one item per key needs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aws/client.h"
#include "core/result.h"
#include "core/time.h"
#include "net/call_handle.h"

namespace switchgear::aws {

// A text (S), a number (N, kept as the text it came as), a set of texts (SS). Of any other type an
// answer holds the name ("BOOL", "M") and nothing else; such a value is never sent.
struct AttributeValue {
  enum class Kind : unsigned char { text, number, string_set, other };
  Kind kind = Kind::text;
  std::string value = {};             // of `other`: the name of its type
  std::vector<std::string> set = {};  // sorted, none twice

  static AttributeValue of_text(std::string text);
  static AttributeValue of_number(std::string number);
  static AttributeValue of_number(std::int64_t number);
  static AttributeValue of_set(std::vector<std::string> texts);
  friend bool operator==(const AttributeValue&, const AttributeValue&) = default;
};
using Item = std::map<std::string, AttributeValue>;

// What an item counts for capacity and against the 400 KB: names and values, by the rules that AWS
// documents. Values of other kinds count as if they were empty.
std::size_t item_bytes(const Item& item);

struct ItemAnswer {
  // Of a get: the item; nothing if there is none. Of an update: as it is now. Of a delete: as it
  // was. Of an update whose condition failed: as it was found; nothing if there is none, or if the
  // server does not return it (dynalite never does).
  std::optional<Item> item = {};
  bool condition_failed = false;
  std::optional<WallTime> date = {};  // when it was given, by the service's clock
};

// UpdateItem. Texts are DynamoDB's expressions; an empty one is left out.
struct ItemUpdate {
  std::string table;
  Item key;
  std::string update = {};
  std::string condition = {};
  std::map<std::string, std::string> names = {};  // "#ep" to "ep"
  Item values = {};                               // ":ep" to its value
};

// One string key, no sort key, on-demand capacity.
struct TableDefinition {
  std::string name;
  std::string key_attribute;
  std::map<std::string, std::string> tags = {};
};

struct TableDescription {
  std::string status;           // "CREATING", "ACTIVE", …
  std::string key_attribute;    // the partition key
  std::string key_type;         // "S", "N" or "B"
  std::string sort_key = {};    // empty: none
  std::string billing_mode;     // "PAY_PER_REQUEST" or "PROVISIONED"
  std::int64_t read_units = 0;  // per second, if it is PROVISIONED
  std::int64_t write_units = 0;
  std::string arn = {};
  std::int64_t item_count = 0;  // of some hours ago
};

struct TimeToLive {
  std::string status;          // "ENABLED", "ENABLING", "DISABLING", "DISABLED"
  std::string attribute = {};  // empty if it is disabled
};

// The keys that begin with `key_prefix`, of items that have the attribute `having`; empty: of all.
struct KeyScan {
  std::string table;
  std::string key_attribute;
  std::string key_prefix = {};
  std::string having = {};
  Item after = {};  // the last_key of the page before; empty: the first page
};

struct KeysPage {
  std::vector<std::string> keys;
  Item last_key;  // where the next page goes on; empty: this was the last
};

// Whole items that have the attribute `having`: of one partition (Query), or of the table (Scan).
struct ItemSearch {
  std::string table;
  std::string having;
  std::string partition_attribute = {};  // empty: all partitions
  std::string partition = {};
  Item after = {};  // the last_key of the page before; empty: the first page
};

struct ItemsPage {
  std::vector<Item> items;
  Item last_key;  // as in KeysPage; may hold a value of kind `other`, which no request may
  std::optional<WallTime> date = {};  // as in ItemAnswer
};

// What a request consumed: half a unit for up to 4 KB read, one for up to 4 KB read with
// consistency, one for up to 1 KB written. A request that fails, and one whose condition fails,
// tells nothing; the latter is charged as a write.
struct Consumed {
  std::string operation;  // "GetItem", "UpdateItem", "DeleteItem", "Scan"
  double units = 0;
  bool told = true;  // false: its condition failed
};

struct DynamoDbOptions {
  // For each attempt. A store is asked on the path of a call, so that late is as bad as never.
  Duration attempt_timeout = 1s;
  // Hears what each request on items consumed, before its callback. Empty: nobody asks.
  std::function<void(const Consumed&)> on_consumed = {};
};

// Typed calls. On the loop's thread; callbacks as those of AwsClient. An answer that is not the
// JSON of the operation gives the error "protocol", which names the field. Empty sets, values of
// kind `other` and updates without a key are bugs of the caller and asserted.
class DynamoDb {
 public:
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  // `client` outlives this.
  explicit DynamoDb(AwsClient& client, DynamoDbOptions options = {})
      : client_(client), options_(std::move(options)) {}

  net::CallHandle get_item(const std::string& table, const Item& key, bool consistent,
                           Callback<ItemAnswer> callback);
  net::CallHandle update_item(const ItemUpdate& update, Callback<ItemAnswer> callback);
  // Deleting what is not there is no error.
  net::CallHandle delete_item(const std::string& table, const Item& key,
                              Callback<ItemAnswer> callback);

  // One page, in no order; eventually consistent. Reads the whole table, page by page: a page may
  // be empty and not the last. Keys that are no texts are left out.
  net::CallHandle scan_keys(const KeyScan& scan, Callback<KeysPage> callback);

  // One page, eventually consistent. Without a partition as scan_keys().
  net::CallHandle find_items(const ItemSearch& search, Callback<ItemsPage> callback);

  // The table may be used once describe_table says "ACTIVE".
  net::CallHandle create_table(const TableDefinition& table, Callback<void> callback);
  net::CallHandle delete_table(const std::string& table, Callback<void> callback);
  net::CallHandle describe_table(const std::string& table, Callback<TableDescription> callback);
  // `attribute` holds the time of expiry, a number of seconds since 1970. A second change within
  // an hour is refused.
  net::CallHandle update_time_to_live(const std::string& table, const std::string& attribute,
                                      bool enabled, Callback<void> callback);
  net::CallHandle describe_time_to_live(const std::string& table, Callback<TimeToLive> callback);

 private:
  // A call on items: asks what it consumed, if anybody wants to know.
  net::CallHandle item_call(const char* name, std::string body, std::string accepted_code,
                            AwsClient::Callback callback);

  AwsClient& client_;
  DynamoDbOptions options_;
};

}  // namespace switchgear::aws
