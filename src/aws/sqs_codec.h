// The JSON of SQS requests and answers. Pure; what reads answers takes any bytes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/sqs.h"

namespace switchgear::aws::sqs_codec {

std::string receive_request(const std::string& queue_url, const ReceiveOptions& options);
std::string delete_batch_request(const std::string& queue_url,
                                 const std::vector<std::string>& receipt_handles);
std::string change_visibility_batch_request(const std::string& queue_url,
                                            const std::vector<VisibilityChange>& changes);
std::string send_request(const std::string& queue_url, const OutgoingMessage& message);
std::string send_batch_request(const std::string& queue_url,
                               const std::vector<OutgoingMessage>& messages);
std::string get_queue_attributes_request(const std::string& queue_url,
                                         const std::vector<std::string>& names);
std::string set_queue_attributes_request(const std::string& queue_url,
                                         const std::map<std::string, std::string>& attributes);
std::string get_queue_url_request(const std::string& queue_name);

Result<Received> read_received(std::string_view body);
// `entries`: how many the request had.
Result<BatchResult> read_batch(std::string_view body, std::size_t entries);
// `messages`: those of the request. One whose checksums do not match counts as failed ("checksum").
Result<SendBatchResult> read_send_batch(std::string_view body,
                                        const std::vector<OutgoingMessage>& messages);
Result<std::map<std::string, std::string>> read_attributes(std::string_view body);
// A text field of the answer: "MessageId", "QueueUrl".
Result<std::string> read_text(std::string_view body, std::string_view field);

}  // namespace switchgear::aws::sqs_codec
