// Parking: messages that would expire while nobody reads their queue are moved to another queue,
// where their time begins anew, and moved back later. Sans-I/O: one batch at a time, a step out, an
// answer in.
//
// A message is sent before it is deleted, and deleted only if the queue has confirmed it with the
// checksum of what was sent. Cut off anywhere, at least one copy is there; there may be two.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "aws/sqs.h"
#include "core/result.h"
#include "core/time.h"
#include "queue/message.h"

namespace switchgear::queue {

// Of a parked message, and of one that has come back: what it was, since a message that is sent
// anew has another id, another time and counts from 0. It stays on the message.
inline constexpr std::string_view kParkedAttribute = "switchgear.parked";

struct Parked {
  std::string id;         // the first that it had
  WallTime sent{};        // for the first time
  int receive_count = 0;  // all told
  std::string queue_arn;  // where it came from, and goes back to
  std::string circuit;
  friend bool operator==(const Parked&, const Parked&) = default;
};
std::string encode(const Parked& parked);
// Error "unreadable": none of ours.
Result<Parked> decode_parked(std::string_view text);

// For so long what was received is hidden, to be sent and deleted meanwhile.
inline constexpr std::chrono::seconds kParkingHidden{600};

// Where a message goes, and as what.
struct Copy {
  std::string queue_arn;
  aws::OutgoingMessage message;
};

// Of a queue that is parked.
struct ParkingRule {
  std::string circuit;
  std::string queue_arn;
  std::string parking_arn;
  // What was sent before is moved; younger messages stay where they are.
  WallTime sent_before{};
  // In bytes, of a message: the parking queue takes no larger one.
  std::size_t size_max = 1'048'576;
};

// What becomes of one message: a copy, nothing (it stays), or the error "does_not_fit": with the
// attribute that is ours it would be larger than a message may be, or have more than 10 attributes.
Result<std::optional<Copy>> parked_copy(const Message& message, const ParkingRule& rule);
// Error "not_parked": it is none of this circuit's parked messages.
Result<std::optional<Copy>> returned_copy(const Message& message, const std::string& circuit);

struct MoveResult {
  int received = 0;
  int moved = 0;   // confirmed and deleted
  int twice = 0;   // confirmed, but not deleted: will be there twice
  int stayed = 0;  // for no fault
  int unfit = 0;   // should have moved, and cannot
  // Of those that are still there; what could not be moved is there too.
  std::optional<WallTime> oldest_left = {};
  std::string trouble = {};  // what went wrong at last, for a person
  friend bool operator==(const MoveResult&, const MoveResult&) = default;
};

// One batch. Not thread-safe.
class Move {
 public:
  using Choose = std::function<Result<std::optional<Copy>>(const Message&)>;
  explicit Move(Choose choose) : choose_(std::move(choose)) {}

  struct Receive {
    std::chrono::seconds visibility{kParkingHidden};
  };
  struct Send {
    std::string queue_arn;
    std::vector<aws::OutgoingMessage> messages;  // 1 to 10, that one call may carry
  };
  struct Delete {
    std::vector<std::string> receipt_handles;
  };
  using Step = std::variant<Receive, Send, Delete, MoveResult>;

  // The first step; then the next after each answer. A MoveResult is the last.
  static Step start() { return Receive{}; }
  // `corrupt`: how many more came that cannot be trusted, and stay.
  Step received(Result<std::vector<Message>> messages, std::size_t corrupt = 0);
  Step sent(const Result<aws::SendBatchResult>& result);
  Step deleted(const Result<aws::BatchResult>& result);

 private:
  struct Going {
    Message message;
    Copy copy;
  };
  Step next();
  void stays(const Message& message);

  const Choose choose_;
  std::vector<Going> waiting_;
  std::vector<Going> out_;  // sent, and not answered
  std::vector<Message> deleting_;
  MoveResult result_;
};

}  // namespace switchgear::queue
