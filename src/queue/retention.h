// Whether the messages of a queue that is not read are about to expire, and what to do. Pure.
// Source of the limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
// API_SetQueueAttributes.html
#pragma once

#include <chrono>
#include <optional>

#include "core/time.h"

namespace switchgear::queue {

inline constexpr std::chrono::seconds kRetentionMax{1'209'600};  // 14 days
// A change of the retention acts after this at the latest, on messages that are there too.
inline constexpr std::chrono::seconds kRetentionActs{900};

// The age that the oldest message of a queue has at most, or, where the queue has not been seen
// empty, at least. The queue itself does not tell.
class OldestAge {
 public:
  // The first look, if nothing is known from before.
  void looked(StoreTime now);
  // Nothing was visible, in flight or delayed. The counts are approximate: it takes two looks in a
  // row, kApart apart, to believe them.
  void empty(StoreTime now);
  void not_empty() { empty_once_.reset(); }
  // A message was seen that had been sent then.
  void sent(StoreTime when);
  // As CloudWatch has it, which leaves out messages received three times or more.
  void metric(Duration age, StoreTime now);

  Duration at(StoreTime now) const;
  // When the oldest message may have been sent; to be kept, and given back to restore().
  std::optional<StoreTime> since() const { return since_; }
  void restore(StoreTime since) { since_ = since; }

  static constexpr Duration kApart = 30s;

 private:
  std::optional<StoreTime> since_;
  std::optional<StoreTime> empty_once_;
};

struct RetentionFacts {
  Duration oldest{0};
  std::chrono::seconds retention{0};  // as it is now
  std::chrono::seconds before{0};     // as a person had set it
  bool read = false;                  // the queue is being read: nothing piles up
  bool may_be_raised = true;          // by the controller's rights, and by its user
};

enum class RetentionStep : unsigned char {
  none,
  raise,   // to kRetentionMax
  lower,   // back to what it was
  rescue,  // raised as far as it goes, and still not enough: messages will expire
};
// Raised, where it may be, once the oldest message has lived half of its time, so that the change
// has acted long before it matters. Lowered only when everything in the queue is younger than what
// it was before, with a margin of an hour, or a quarter of a short retention: lowering it deletes
// what is older.
RetentionStep retention_step(const RetentionFacts& facts);

}  // namespace switchgear::queue
