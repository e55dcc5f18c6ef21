// A queue of SQS, message by message, in virtual time: what is visible, received how often,
// dead-lettered, expired. Made after SQS's documents, never compared with AWS.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lab/scheduler.h"
#include "queue/message.h"
#include "queue/queue_attributes.h"

namespace switchgear::lab {

class MessageQueue {
 public:
  explicit MessageQueue(queue::QueueAttributes attributes) : attributes_(std::move(attributes)) {}

  // `delay` is DelaySeconds. `copy`: of a message that was in the queue before, so no new work.
  void send(TrueTime now, Duration delay = {}, bool copy = false);
  std::vector<queue::Message> receive(int most, Duration hidden, TrueTime now);
  // Only the newest handle of a message deletes it. Whether it was there. `done`: it was handled.
  bool remove(const std::string& handle, bool done = true);
  bool hide(const std::string& handle, Duration time, TrueTime now);
  // Deletes what is older than the retention.
  void expire(TrueTime now);

  std::int64_t visible(TrueTime now) const;
  std::int64_t size() const { return static_cast<std::int64_t>(messages_.size()); }
  // Of the oldest message that is there, hidden ones too.
  Duration oldest_age(TrueTime now) const;
  queue::QueueAttributes& attributes() { return attributes_; }

  struct Counts {
    std::uint64_t sent = 0;
    std::uint64_t done = 0;
    std::uint64_t dead_lettered = 0;
    std::uint64_t expired = 0;
    std::uint64_t receives = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Stored {
    TrueTime sent{0};
    TrueTime visible_at{0};
    int receives = 0;
    std::uint64_t handle = 0;
  };
  using Messages = std::map<std::uint64_t, Stored>;  // by id, which grows with the time
  Messages::iterator by_handle(const std::string& handle);
  void erase(Messages::iterator message);

  queue::QueueAttributes attributes_;
  Messages messages_;
  std::set<std::pair<TrueTime, std::uint64_t>> by_visibility_;
  std::map<std::string, std::uint64_t> received_;  // newest handle: id
  std::uint64_t ids_ = 0;
  Counts counts_;
};

}  // namespace switchgear::lab
