// Amazon SQS, API of 2012-11-05, in its JSON protocol.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aws/client.h"
#include "core/result.h"
#include "net/call_handle.h"

namespace switchgear::aws {

inline constexpr std::size_t kSqsBatchMax = 10;
inline constexpr std::chrono::seconds kSqsWaitMax{20};
inline constexpr std::chrono::seconds kSqsVisibilityMax{43200};
inline constexpr std::chrono::seconds kSqsDelayMax{900};

// `type` begins with "String", "Number" or "Binary"; the value of a binary one is its raw bytes.
struct MessageAttribute {
  std::string type = "String";
  std::string value = {};
  bool is_binary() const { return type.starts_with("Binary"); }
  friend bool operator==(const MessageAttribute&, const MessageAttribute&) = default;
};
using MessageAttributes = std::map<std::string, MessageAttribute>;

// A message as received.
struct Message {
  std::string id;
  std::string receipt_handle;
  std::string body;
  // Of SQS itself: ApproximateReceiveCount, SentTimestamp (ms), MessageGroupId, …
  std::map<std::string, std::string> attributes;
  MessageAttributes message_attributes;

  // The attribute as a number; nothing if it is missing or none.
  std::optional<std::int64_t> number(const std::string& attribute) const;

  friend bool operator==(const Message&, const Message&) = default;
};

// A message whose body or attributes do not match their checksum, or that lacks what every message
// has. It is
// in flight all the same, and comes again when its visibility timeout ends.
struct CorruptMessage {
  std::string id;
  std::string receipt_handle;  // may be empty
  Error error;
};

struct Received {
  std::vector<Message> messages;
  std::vector<CorruptMessage> corrupt;
};

struct ReceiveOptions {
  int max_messages = 10;                                // 1 to 10
  std::chrono::seconds wait{20};                        // 0 to 20; longer is cheaper
  std::optional<std::chrono::seconds> visibility = {};  // 0 to 12 h; nothing: the queue's own
};

struct VisibilityChange {
  std::string receipt_handle;
  std::chrono::seconds visibility{0};  // from now; 0 to 12 h since the receive
};

struct OutgoingMessage {
  std::string body;
  MessageAttributes attributes = {};
  std::optional<std::chrono::seconds> delay = {};  // 0 to 15 min; nothing: the queue's own
  std::string group_id = {};
  std::string deduplication_id = {};
  std::string trace_header = {};  // of X-Ray: the system attribute AWSTraceHeader
};

// One answer per entry, in the order of the request: nothing for what is done. An entry that the
// service did not mention counts as failed ("not_answered").
struct BatchResult {
  std::vector<std::optional<Error>> errors;
  bool all_done() const;
};
struct SendBatchResult {
  std::vector<Result<std::string>> message_ids;
};

// Typed calls. On the loop's thread; callbacks as those of AwsClient. Values out of the stated
// ranges and batches that are empty or above 10 are bugs of the caller and asserted. An answer
// that is not the JSON of the operation gives the error "protocol".
class Sqs {
 public:
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  // `client` outlives this.
  explicit Sqs(AwsClient& client) : client_(client) {}

  // Asks for all system and message attributes. Each attempt may take 5 s longer than it waits.
  // Abandoning a receive may hide messages until their visibility timeout ends.
  net::CallHandle receive(const std::string& queue_url, const ReceiveOptions& options,
                          Callback<Received> callback);
  net::CallHandle delete_batch(const std::string& queue_url,
                               const std::vector<std::string>& receipt_handles,
                               Callback<BatchResult> callback);
  net::CallHandle change_visibility_batch(const std::string& queue_url,
                                          const std::vector<VisibilityChange>& changes,
                                          Callback<BatchResult> callback);
  // The message's id.
  net::CallHandle send(const std::string& queue_url, const OutgoingMessage& message,
                       Callback<std::string> callback);
  // An id is given only for a message that the queue has confirmed with the checksums of what was
  // sent. All messages together: at most 1 MiB, and less where the queue says so.
  net::CallHandle send_batch(const std::string& queue_url,
                             const std::vector<OutgoingMessage>& messages,
                             Callback<SendBatchResult> callback);
  // All attributes if no name is given. Every value is a text.
  net::CallHandle get_queue_attributes(const std::string& queue_url,
                                       const std::vector<std::string>& names,
                                       Callback<std::map<std::string, std::string>> callback);
  // Sets those named; the others stay. Takes up to 60 s to act, MessageRetentionPeriod up to 15
  // minutes.
  net::CallHandle set_queue_attributes(const std::string& queue_url,
                                       const std::map<std::string, std::string>& attributes,
                                       Callback<void> callback);
  net::CallHandle get_queue_url(const std::string& queue_name, Callback<std::string> callback);

 private:
  AwsClient& client_;
};

}  // namespace switchgear::aws
