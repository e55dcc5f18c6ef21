// A message as every consumer of a queue sees it, whatever brought it here. A plain value.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "aws/sqs.h"
#include "core/time.h"

namespace switchgear::queue {

// What the sender attached. `type` is "String", "Number" or "Binary", optionally followed by a dot
// and a label of the sender's ("Number.int"). A binary value is held as its bytes.
struct Attribute {
  std::string type;
  std::string value;
  bool binary() const { return type.starts_with("Binary"); }
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

struct Message {
  std::string id;
  // Stands for this one receive: a later receive of the same message has another.
  std::string receipt_handle;
  std::string body;
  std::map<std::string, std::string> system_attributes;  // as the queue gave them
  std::map<std::string, Attribute> attributes;           // as the sender gave them
  // How often the message has been received, this time included; from 1. Grows with each receive
  // and can never be lowered.
  int receive_count = 1;
  std::optional<WallTime> sent;
  std::optional<WallTime> first_received;
  friend bool operator==(const Message&, const Message&) = default;
};

// The number and times out of `system_attributes` (ApproximateReceiveCount, SentTimestamp,
// ApproximateFirstReceiveTimestamp); what is missing or malformed keeps its default.
void read_system_attributes(Message& message);

// As SQS gave it.
Message message_of(aws::Message from);

}  // namespace switchgear::queue
