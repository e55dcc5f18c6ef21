// What a function gets for messages of a queue, and what its answer says of them: the event of
// Lambda's event source mapping for SQS, and batchItemFailures. Pure.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "queue/message.h"

namespace switchgear::queue {

// The event as a mapping of the queue of that ARN makes it, every attribute included. `queue_arn`
// gives the region. Where policy forbids MD5 md5OfBody is left out.
std::string sqs_event(const std::vector<Message>& messages, std::string_view queue_arn);

// What the answer of a function with ReportBatchItemFailures says. Nothing in it, an empty or
// missing list: all succeeded. An answer that is no JSON, a list that is none, an identifier that
// is empty, missing or none of the batch: all failed.
struct BatchAnswer {
  bool all_failed = false;
  std::string why;               // if all failed, for a person
  std::set<std::string> failed;  // ids of messages
  bool failed_is(const std::string& message_id) const {
    return all_failed || failed.contains(message_id);
  }
};
BatchAnswer read_batch_answer(std::string_view payload, const std::vector<Message>& batch);

}  // namespace switchgear::queue
