#include "guard/transition_feed.h"

namespace switchgear::guard {

void Listener::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
}

bool Listener::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void Listener::tell(const std::string& circuit, const fleet::Transition& transition,
                    bool first_sight) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  try {
    callback_(circuit, transition, first_sight);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the user's, see header
  }
}

void TransitionFeed::add(std::shared_ptr<Listener> listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}

void TransitionFeed::tell(const std::string& circuit, const fleet::Transition& transition,
                          bool first_sight) {
  // A copy, so that a callback may add and end listeners.
  std::vector<std::shared_ptr<Listener>> listeners;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(listeners_, [](const auto& listener) { return listener->ended(); });
    listeners = listeners_;
  }
  for (const auto& listener : listeners) listener->tell(circuit, transition, first_sight);
}

}  // namespace switchgear::guard
