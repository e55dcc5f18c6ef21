#include "worker/message_ages.h"

#include <algorithm>

namespace switchgear::worker {

void MessageAges::received(const queue::Message& message, MonoTime visible_at) {
  if (!message.sent) return;
  // A later receive of a message has another receipt handle.
  if (const auto before = receipts_.find(message.id); before != receipts_.end()) {
    known_.erase(before->second);
    receipts_.erase(before);
  }
  if (known_.size() >= kKnownMax) return;
  known_[message.receipt_handle] = Known{message.id, *message.sent, visible_at};
  receipts_[message.id] = message.receipt_handle;
}

void MessageAges::hidden(const std::string& receipt_handle, MonoTime visible_at) {
  const auto found = known_.find(receipt_handle);
  if (found != known_.end()) found->second.visible_at = visible_at;
}

void MessageAges::deleted(const std::string& receipt_handle) {
  const auto found = known_.find(receipt_handle);
  if (found == known_.end()) return;
  receipts_.erase(found->second.message_id);
  known_.erase(found);
}

void MessageAges::forget_visible(MonoTime now) {
  std::erase_if(known_, [&](const auto& entry) {
    if (entry.second.visible_at > now) return false;
    receipts_.erase(entry.second.message_id);
    return true;
  });
}

Duration MessageAges::oldest(const Now& now, bool paused) {
  if (!paused) forget_visible(now.mono);
  Duration oldest{0};
  for (const auto& [receipt, known] : known_) {
    oldest = std::max<Duration>(oldest, now.wall - known.sent);
  }
  return oldest;
}

}  // namespace switchgear::worker
