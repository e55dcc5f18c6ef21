// What a consumer must know of its queue: when a message is dead-lettered, for how long messages
// are kept and hidden.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "queue/message.h"

namespace switchgear::queue {

struct RedrivePolicy {
  // A message received more often than this goes to the dead-letter queue instead.
  int max_receive_count = 0;
  std::string dead_letter_arn;
  friend bool operator==(const RedrivePolicy&, const RedrivePolicy&) = default;
};

// Reads the attribute's JSON text; the count may be a number or a string. Error
// "InvalidRedrivePolicy" says what is wrong with it.
Result<RedrivePolicy> parse_redrive_policy(std::string_view json);
// The most that maxReceiveCount can be.
inline constexpr int kReceiveCountMax = 1000;
// The attribute's text for a policy.
std::string redrive_policy_text(const RedrivePolicy& policy);

struct QueueAttributes {
  std::string arn;
  std::optional<RedrivePolicy> redrive;  // none: nothing is ever dead-lettered
  std::string redrive_text = {};         // the same as the queue gave it; empty: none
  std::chrono::seconds visibility_timeout{30};
  std::chrono::seconds retention{345'600};
  std::size_t maximum_message_size = 1'048'576;  // bytes
  bool fifo = false;
  friend bool operator==(const QueueAttributes&, const QueueAttributes&) = default;
};

// From the answer of GetQueueAttributes. What is missing keeps its default; a malformed
// RedrivePolicy is an error, since its counts guard messages.
Result<QueueAttributes> read_queue_attributes(const std::map<std::string, std::string>& attributes);

// Whether this receive of the message is its last: the next one would dead-letter it. A message
// on its last receive must not be given back untried while something else is to blame.
bool on_last_receive(const Message& message, const QueueAttributes& attributes);

// How many receives of one message a reader may use that fails for so long: one at once, and one
// each time that the message is visible again.
int receives_burnt(Duration time, const QueueAttributes& attributes);

}  // namespace switchgear::queue
