// The JSON of DynamoDB's requests and answers. Pure; what reads answers takes any bytes: unknown
// members are passed over, null is as good as missing, and a member that is missing where it must
// be there or of the wrong type gives the error "protocol" with its path.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/dynamodb.h"

namespace switchgear::aws::dynamodb_codec {

std::string get_item_request(const std::string& table, const Item& key, bool consistent);
std::string update_item_request(const ItemUpdate& update);
std::string delete_item_request(const std::string& table, const Item& key);
std::string scan_keys_request(const KeyScan& scan);
// Without and with a partition.
std::string scan_items_request(const ItemSearch& search);
std::string query_request(const ItemSearch& search);
std::string create_table_request(const TableDefinition& table);
// Of every operation that needs nothing but the table's name.
std::string table_request(const std::string& table);
std::string update_time_to_live_request(const std::string& table, const std::string& attribute,
                                        bool enabled);

// A request on items that also asks for the units that it consumes.
std::string asking_for_capacity(const std::string& request);
// Those units; 0 if the answer does not tell.
Result<double> read_capacity(std::string_view body);

// The item in that member of the answer ("Item", "Attributes"); nothing if it is missing or empty.
Result<std::optional<Item>> read_item(std::string_view body, std::string_view member);
Result<KeysPage> read_keys(std::string_view body, const std::string& key_attribute);
Result<ItemsPage> read_items(std::string_view body);
Result<TableDescription> read_table(std::string_view body);
Result<TimeToLive> read_time_to_live(std::string_view body);
// An answer of which nothing is needed but that it is one.
Result<void> read_done(std::string_view body);

}  // namespace switchgear::aws::dynamodb_codec
