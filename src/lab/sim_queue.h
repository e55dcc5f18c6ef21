// A queue that behaves like SQS, in virtual time: long polling, visibility, receive counts, a
// dead-letter queue, retention. At-least-once, unordered enough for a standard queue.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lab/scheduler.h"
#include "queue/message.h"
#include "queue/queue_attributes.h"

namespace switchgear::lab {

struct SimQueueOptions {
  int max_receive_count = 5;
  std::chrono::seconds retention{345'600};
  Duration latency = 4ms;  // each way
  // Every message becomes visible a second time, so long after it was first received: at least once
  // is sometimes twice. 0: no.
  Duration again_after{0};
};

// Not thread-safe. `scheduler` outlives it. Callbacks come later, never from inside the call.
class SimQueue {
 public:
  using Received = std::function<void(std::vector<queue::Message>)>;

  SimQueue(Scheduler& scheduler, const SimQueueOptions& options)
      : scheduler_(scheduler), options_(options) {}

  void send();
  void receive(int max, std::chrono::seconds wait, std::chrono::seconds visibility,
               Received received);
  // By receipt handle; only that of the latest receive has an effect.
  void remove(const std::string& receipt_handle);
  void change_visibility(const std::string& receipt_handle, std::chrono::seconds visibility);
  queue::QueueAttributes attributes() const;

  std::uint64_t sent() const { return sent_; }
  std::uint64_t removed() const { return removed_; }
  std::uint64_t dead_lettered() const { return dead_lettered_; }
  std::uint64_t expired() const { return expired_; }
  std::uint64_t receives() const { return receives_; }
  // Messages that are there, hidden ones included.
  std::size_t depth() const { return messages_.size(); }
  std::size_t visible() const { return visible_.size(); }

 private:
  struct Stored {
    TrueTime sent{0};
    TrueTime first_received{0};
    int receive_count = 0;
    std::uint64_t receipt = 0;  // of the latest receive
    std::uint64_t hiding = 0;   // grows with each change of visibility
  };
  struct Poll {
    std::uint64_t id = 0;
    int max = 0;
    std::chrono::seconds visibility{0};
    Received received;
  };

  void hide(std::uint64_t message, std::chrono::seconds visibility);
  void answer(Poll poll);
  void serve_polls();
  std::vector<queue::Message> take(int max, std::chrono::seconds visibility);

  Scheduler& scheduler_;
  SimQueueOptions options_;
  std::unordered_map<std::uint64_t, Stored> messages_;
  std::unordered_map<std::uint64_t, std::uint64_t> receipts_;  // to messages
  std::deque<std::uint64_t> visible_;
  std::deque<Poll> polls_;
  std::uint64_t next_poll_ = 1;
  std::uint64_t next_receipt_ = 1;
  std::uint64_t sent_ = 0;
  std::uint64_t removed_ = 0;
  std::uint64_t dead_lettered_ = 0;
  std::uint64_t expired_ = 0;
  std::uint64_t receives_ = 0;
};

}  // namespace switchgear::lab
