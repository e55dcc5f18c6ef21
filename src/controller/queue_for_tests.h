// Queues as SQS documents them, in virtual time: what is visible, in flight, received how often,
// dead-lettered, expired. Stands in for a server where a test cannot wait for days.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "aws/sqs.h"
#include "core/time.h"
#include "queue/message.h"
#include "queue/queue_attributes.h"

namespace switchgear::controller {

class QueueForTests {
 public:
  struct Stored {
    queue::Message message;
    Duration sent{0};
    Duration visible_at{0};
    Duration received{0};
  };
  std::vector<Stored> messages;
  queue::QueueAttributes attributes;
  std::vector<std::string> expired;  // bodies
  std::vector<std::string> dead;

  void send(const std::string& body, Duration now,
            std::map<std::string, queue::Attribute> with = {}, const std::string& group = "") {
    Stored stored{.sent = now, .visible_at = now};
    stored.message.id = "id" + std::to_string(++ids_);
    stored.message.body = body;
    stored.message.attributes = std::move(with);
    stored.message.receive_count = 0;
    if (!group.empty()) stored.message.system_attributes["MessageGroupId"] = group;
    messages.push_back(std::move(stored));
  }
  void send(const aws::OutgoingMessage& message, Duration now) {
    std::map<std::string, queue::Attribute> with;
    for (const auto& [name, a] : message.attributes) with[name] = {a.type, a.value};
    send(message.body, now, with);
  }
  std::vector<queue::Message> receive(int most, Duration visibility, Duration now,
                                      WallTime wall_at_zero) {
    std::vector<queue::Message> batch;
    std::set<std::string> held;
    for (auto stored = messages.begin(); stored != messages.end();) {
      if (static_cast<int>(batch.size()) == most) break;
      // Of a FIFO queue, the messages of a group that are in flight hold those behind them.
      const auto group = stored->message.system_attributes.find("MessageGroupId");
      const bool fifo = attributes.fifo && group != stored->message.system_attributes.end();
      if (stored->visible_at > now || (fifo && held.contains(group->second))) {
        if (fifo) held.insert(group->second);
        ++stored;
        continue;
      }
      if (attributes.redrive &&
          stored->message.receive_count >= attributes.redrive->max_receive_count) {
        dead.push_back(stored->message.body);
        stored = messages.erase(stored);
        continue;
      }
      ++stored->message.receive_count;
      stored->visible_at = now + visibility;
      stored->received = now;
      stored->message.receipt_handle = "r" + std::to_string(++ids_);
      stored->message.sent = wall_at_zero + stored->sent;
      batch.push_back(stored->message);
      ++stored;
    }
    return batch;
  }
  // The newest handle of a message counts.
  bool remove(const std::string& handle) {
    return std::erase_if(messages, [&](const Stored& stored) {
             return stored.message.receipt_handle == handle;
           }) > 0;
  }
  bool hide(const std::string& handle, Duration until, Duration now) {
    for (Stored& stored : messages) {
      if (stored.message.receipt_handle != handle || stored.visible_at <= now) continue;
      stored.visible_at = std::min<Duration>(until, stored.received + aws::kSqsVisibilityMax);
      return true;
    }
    return false;
  }
  void expire(Duration now) {
    std::erase_if(messages, [&](const Stored& stored) {
      const bool gone = now - stored.sent >= attributes.retention;
      if (gone) expired.push_back(stored.message.body);
      return gone;
    });
  }
  std::int64_t visible(Duration now) const {
    return std::ranges::count_if(messages, [&](const Stored& s) { return s.visible_at <= now; });
  }
  std::int64_t in_flight(Duration now) const {
    return static_cast<std::int64_t>(messages.size()) - visible(now);
  }

 private:
  int ids_ = 0;
};

}  // namespace switchgear::controller
