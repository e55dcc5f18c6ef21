// How old the oldest message is that this worker knows of and that is not done.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "core/time.h"
#include "queue/message.h"

namespace switchgear::worker {

// Fed with what comes in and goes back. A message that went back counts until it is visible again,
// since from then on another worker may have it; while nothing is received, until it is. Bounded:
// with very many messages the later ones are not looked at, which are seldom the oldest.
// Not thread-safe.
class MessageAges {
 public:
  // Hidden until `visible_at`. A message without a time of sending is not looked at.
  void received(const queue::Message& message, MonoTime visible_at);
  void hidden(const std::string& receipt_handle, MonoTime visible_at);
  void deleted(const std::string& receipt_handle);

  // 0 if there is none. `paused`: nothing is received now.
  Duration oldest(const Now& now, bool paused);

 private:
  static constexpr std::size_t kKnownMax = 20'000;
  struct Known {
    std::string message_id;
    WallTime sent;
    MonoTime visible_at;
  };
  void forget_visible(MonoTime now);

  std::unordered_map<std::string, Known> known_;           // by receipt handle
  std::unordered_map<std::string, std::string> receipts_;  // by message id
};

}  // namespace switchgear::worker
