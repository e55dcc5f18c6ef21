// Any bytes as what a service answers: SQS results, refusals, dates, base64.
#include <cstddef>
#include <cstdint>
#include <string>

#include "aws/base64.h"
#include "aws/error.h"
#include "aws/sqs_codec.h"
#include "core/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchgear::aws;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 8) {
    case 0:
      if (const auto received = sqs_codec::read_received(text)) {
        for (const Message& message : received->messages) {
          SG_ASSERT(!message.receipt_handle.empty());
        }
      }
      break;
    case 1:
      if (const auto result = sqs_codec::read_batch(text, 3)) SG_ASSERT(result->errors.size() == 3);
      break;
    case 2:
      if (const auto result = sqs_codec::read_send_batch(text, std::vector<OutgoingMessage>(3))) {
        SG_ASSERT(result->message_ids.size() == 3);
      }
      break;
    case 3:
      (void)sqs_codec::read_attributes(text);
      (void)sqs_codec::read_text(text, "QueueUrl");
      break;
    case 4:
    case 5: {
      // A line of header, then the body.
      const auto line = text.find('\n');
      const ServiceError refusal =
          read_error({.status = 400,
                      .headers = {{"x-amzn-query-error", text.substr(0, line)}},
                      .body = line == std::string::npos ? "" : text.substr(line + 1)},
                     "sqs");
      SG_ASSERT(!refusal.error.code.empty());
      for (const char c : refusal.error.text()) {
        SG_ASSERT(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
      }
      break;
    }
    case 6:
      (void)parse_http_date(text);
      break;
    default:
      if (const auto bytes = base64_decode(text)) SG_ASSERT(base64_encode(*bytes) == text);
  }
  return 0;
}
