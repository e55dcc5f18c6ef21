#include "lab/message_queue.h"

#include <algorithm>

#include "lab/local_clocks.h"

namespace switchgear::lab {

namespace {
std::string handle_text(std::uint64_t handle) { return "receipt-" + std::to_string(handle); }
}  // namespace

void MessageQueue::send(TrueTime now, Duration delay, bool copy) {
  const std::uint64_t id = ++ids_;
  messages_[id] = {.sent = now, .visible_at = now + delay};
  by_visibility_.insert({now + delay, id});
  if (!copy) ++counts_.sent;
}

std::vector<queue::Message> MessageQueue::receive(int most, Duration hidden, TrueTime now) {
  std::vector<queue::Message> batch;
  while (static_cast<int>(batch.size()) < most && !by_visibility_.empty() &&
         by_visibility_.begin()->first <= now) {
    const auto message = messages_.find(by_visibility_.begin()->second);
    Stored& stored = message->second;
    if (attributes_.redrive && stored.receives >= attributes_.redrive->max_receive_count) {
      ++counts_.dead_lettered;
      erase(message);
      continue;
    }
    by_visibility_.erase(by_visibility_.begin());
    received_.erase(handle_text(stored.handle));
    ++stored.receives;
    ++counts_.receives;
    stored.handle = counts_.receives;
    stored.visible_at = now + hidden;
    by_visibility_.insert({stored.visible_at, message->first});
    received_[handle_text(stored.handle)] = message->first;
    batch.push_back({.id = "m" + std::to_string(message->first),
                     .receipt_handle = handle_text(stored.handle),
                     .body = {},
                     .system_attributes = {},
                     .attributes = {},
                     .receive_count = stored.receives,
                     .sent = WallTime{kEpochStart + stored.sent},
                     .first_received = {}});
  }
  return batch;
}

bool MessageQueue::remove(const std::string& handle, bool done) {
  const auto message = by_handle(handle);
  if (message == messages_.end()) return false;
  counts_.done += done;
  erase(message);
  return true;
}

bool MessageQueue::hide(const std::string& handle, Duration time, TrueTime now) {
  const auto message = by_handle(handle);
  if (message == messages_.end() || message->second.visible_at <= now) return false;
  by_visibility_.erase({message->second.visible_at, message->first});
  message->second.visible_at = now + time;
  by_visibility_.insert({message->second.visible_at, message->first});
  return true;
}

void MessageQueue::expire(TrueTime now) {
  while (!messages_.empty() && now - messages_.begin()->second.sent >= attributes_.retention) {
    ++counts_.expired;
    erase(messages_.begin());
  }
}

std::int64_t MessageQueue::visible(TrueTime now) const {
  const auto hidden =
      std::distance(by_visibility_.upper_bound({now, ~std::uint64_t{0}}), by_visibility_.end());
  return size() - hidden;
}

Duration MessageQueue::oldest_age(TrueTime now) const {
  return messages_.empty() ? Duration{0} : now - messages_.begin()->second.sent;
}

MessageQueue::Messages::iterator MessageQueue::by_handle(const std::string& handle) {
  const auto found = received_.find(handle);
  return found == received_.end() ? messages_.end() : messages_.find(found->second);
}

void MessageQueue::erase(Messages::iterator message) {
  by_visibility_.erase({message->second.visible_at, message->first});
  received_.erase(handle_text(message->second.handle));
  messages_.erase(message);
}

}  // namespace switchgear::lab
