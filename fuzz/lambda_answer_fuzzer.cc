// Any bytes as what Lambda and CloudWatch answer: mappings, tags, functions, alarms, refusals.
#include <cstddef>
#include <cstdint>
#include <string>

#include "aws/cloudwatch_codec.h"
#include "aws/error.h"
#include "aws/lambda_codec.h"
#include "core/assert.h"

namespace {

using namespace switchgear::aws;

template <class T>
void check_error(const switchgear::Result<T>& result) {
  SG_ASSERT(result || (result.error().code == "protocol" && !result.error().retryable));
}

// Whatever was read makes a request that HTTP can carry.
void check_call(const ServiceCall& call) {
  SG_ASSERT(switchgear::net::is_method(call.method));
  SG_ASSERT(switchgear::net::is_target(call.path));
}

void check_mapping(const EventSourceMapping& mapping) {
  if (!mapping.uuid.empty()) check_call(lambda_codec::get_mapping(mapping.uuid));
  if (!mapping.arn.empty()) check_call(lambda_codec::list_tags(mapping.arn));
  SG_ASSERT((mapping.state == MappingState::enabled) == (mapping.state_text == "Enabled"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0: {
      const auto mapping = lambda_codec::read_mapping(text);
      check_error(mapping);
      if (mapping) check_mapping(*mapping);
      break;
    }
    case 1: {
      const auto page = lambda_codec::read_mappings(text);
      check_error(page);
      if (!page) break;
      for (const EventSourceMapping& mapping : page->mappings) check_mapping(mapping);
      check_call(lambda_codec::list_mappings({.marker = page->next_marker}));
      break;
    }
    case 2: {
      const auto tags = lambda_codec::read_tags(text);
      check_error(tags);
      if (!tags || tags->empty()) break;
      // What was read can be written again, and then reads the same.
      const auto again = lambda_codec::read_tags(lambda_codec::tag("arn", *tags).body);
      SG_ASSERT(again && *again == *tags);
      break;
    }
    case 3:
      check_error(lambda_codec::read_function(text));
      break;
    case 4:
      check_error(cloudwatch_codec::read_alarms(text));
      break;
    default: {
      const ServiceError refusal = read_error(
          {.status = 429, .headers = {{"x-amzn-ErrorType", text.substr(0, 40)}}, .body = text},
          "lambda");
      SG_ASSERT(!refusal.error.code.empty());
      for (const char c : refusal.error.text()) {
        SG_ASSERT(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
      }
    }
  }
  return 0;
}
