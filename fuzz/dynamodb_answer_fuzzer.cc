// Any bytes as what DynamoDB answers: items, pages of keys, tables, refusals.
#include <cstddef>
#include <cstdint>
#include <string>

#include "aws/dynamodb_codec.h"
#include "aws/error.h"
#include "core/assert.h"

namespace {

using namespace switchgear::aws;

// What was read can be written again, and then reads the same; what no request may hold is left
// out.
void check_item(const Item& item) {
  Item known;
  for (const auto& [name, value] : item) {
    if (value.kind == AttributeValue::Kind::other) continue;
    if (value.kind == AttributeValue::Kind::string_set && value.set.empty()) continue;
    known[name] = value;
  }
  if (known.empty()) return;
  const auto again =
      dynamodb_codec::read_item(dynamodb_codec::delete_item_request("t", known), "Key");
  SG_ASSERT(again && *again == known);
}

template <class T>
void check_error(const switchgear::Result<T>& result) {
  SG_ASSERT(result || (result.error().code == "protocol" && !result.error().retryable));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0: {
      const auto item = dynamodb_codec::read_item(text, "Item");
      check_error(item);
      if (item && *item) check_item(**item);
      break;
    }
    case 1: {
      const auto page = dynamodb_codec::read_keys(text, "id");
      check_error(page);
      if (page) check_item(page->last_key);
      break;
    }
    case 2:
      check_error(dynamodb_codec::read_table(text));
      break;
    case 3:
      check_error(dynamodb_codec::read_time_to_live(text));
      break;
    case 4: {
      const auto page = dynamodb_codec::read_items(text);
      check_error(page);
      for (const Item& item : page ? page->items : std::vector<Item>()) check_item(item);
      break;
    }
    default: {
      const ServiceError refusal = read_error({.status = 400, .body = text}, "dynamodb");
      SG_ASSERT(!refusal.error.code.empty());
      for (const char c : refusal.error.text()) {
        SG_ASSERT(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
      }
    }
  }
  return 0;
}
