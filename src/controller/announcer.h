// Brings announcements to where people and rules hear them: an event bus, a topic, a webhook.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/access.h"
#include "aws/eventbridge.h"
#include "aws/sns.h"
#include "controller/announcement.h"
#include "core/backoff.h"
#include "core/random.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/url.h"
#include "ops/log.h"

namespace switchgear::controller {

struct AnnouncerOptions {
  std::string event_bus;  // name or ARN; empty: none
  std::string sns_topic;  // ARN; empty: none
  std::string webhook;    // URL that gets a POST of the JSON; empty: none. May hold a secret
  std::optional<aws::Access> events = {};  // of event_bus
  std::optional<aws::Access> sns = {};     // of sns_topic
};

// On the loop's thread. Each place gets each announcement at least once and in order, or, after
// kPendingMax of them wait or an hour of refusals, the log says what was left out.
class Announcer {
 public:
  static constexpr std::size_t kPendingMax = 1'000;

  // `loop` and `log` outlive it.
  Announcer(net::Loop& loop, AnnouncerOptions options, ops::Log& log, std::uint64_t seed);
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  // `heard` once every place has it, or has left it out; at once if there is no place.
  void announce(const Announcement& announcement, std::function<void()> heard);
  // Nothing waits any more.
  bool idle() const;

 private:
  struct Item;
  struct Place;

  void deliver(Place& place);
  void delivered(Place& place, const Result<void>& result);

  net::Loop& loop_;
  ops::Log& log_;
  core::Random random_;
  std::vector<std::unique_ptr<Place>> places_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace switchgear::controller
