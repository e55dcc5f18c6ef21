// What the deciding half of the worker asks of the half that carries out, and what it says for
// people to read. Values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/time.h"
#include "queue/message.h"

namespace switchgear::worker {

// Numbers that name what is under way; never reused within one consumer.
using ReceiveId = std::uint64_t;
using CallId = std::uint64_t;
using BatchId = std::uint64_t;

// Receive up to `max` messages, waiting up to `wait` for the first. Answer: received().
struct ReceiveAction {
  ReceiveId id = 0;
  int max = 1;
  std::chrono::seconds wait{0};
  std::chrono::seconds visibility{30};
};
// Nobody waits for this receive any more; received() with an error, or with messages that made it.
struct CancelReceiveAction {
  ReceiveId id = 0;
};
// Give the message to its handler. Answer: handled(), after `timeout` at the latest.
struct CallAction {
  CallId id = 0;
  queue::Message message;
  Duration timeout{0};
};
// Nobody waits for this call any more; no answer is expected.
struct CancelCallAction {
  CallId id = 0;
};
struct DeleteEntry {
  std::string message_id;
  std::string receipt_handle;
};
// At most 10. Answer: deleted().
struct DeleteAction {
  BatchId id = 0;
  std::vector<DeleteEntry> entries;
};
struct VisibilityEntry {
  std::string message_id;
  std::string receipt_handle;
  std::chrono::seconds visibility{0};
};
// At most 10. Answer: visibility_changed().
struct VisibilityAction {
  BatchId id = 0;
  std::vector<VisibilityEntry> entries;
};
// Answer: queue_attributes().
struct ReadAttributesAction {};

using Action = std::variant<ReceiveAction, CancelReceiveAction, CallAction, CancelCallAction,
                            DeleteAction, VisibilityAction, ReadAttributesAction>;

// One entry of a batch that the queue refused.
struct EntryFailure {
  std::size_t index = 0;  // into the entries of the action
  std::string code;
  std::string message;
  bool retryable = false;
};

// How the handler answered.
struct HandlerAnswer {
  enum class Kind : unsigned char {
    answered,    // with `status`
    timeout,     // not in time
    connection,  // refused, reset, DNS, TLS, not HTTP
    unsendable,  // this message cannot be put into a request: its own fault
  };
  Kind kind = Kind::answered;
  int status = 0;
  std::string retry_after;  // the header's value, if any
  std::string detail;       // of connection trouble, for people
};

// Something worth a line in the log.
struct Notice {
  enum class Kind : unsigned char {
    paused,          // calls are refused: nothing is received
    resumed,         // calls go out again
    receive_failed,  // the first of a row
    receive_recovered,
    attributes_failed,
    handler_trouble,  // the first connection trouble of a row
    handler_recovered,
    delete_given_up,     // the message was done and will come again
    give_back_failed,    // it comes back by itself when its time ends
    visibility_overrun,  // the answer came after the message had become visible again
    parked,              // on its last receive: kept here until it may be called
    parked_lost,         // kept until it could not be kept any longer
    abandoned,           // a call still running when the grace time ended
    stopping,
    stopped,
  };
  enum class Level : unsigned char { info, warn, error };
  Kind kind = Kind::paused;
  Level level = Level::info;
  std::string text;
  std::vector<std::pair<std::string, std::string>> fields;
};

}  // namespace switchgear::worker
