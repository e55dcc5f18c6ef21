// What a person should hear of a circuit's record: that it cannot be read, and that the fleet goes
// by other settings than this process. Once per change, and at most once a minute and circuit, as
// processes whose settings differ write in turn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "fleet/member.h"
#include "stores/store.h"

namespace switchgear::guard {

struct RecordRemark {
  bool bad = true;   // false: what was wrong is over
  std::string text;  // what, why, and what to do; names the circuit, and its key in the store
};

// Of one circuit.
class RecordRemarks {
 public:
  std::vector<RecordRemark> look(const std::string& circuit, const fleet::Member& member,
                                 const stores::Store& store, MonoTime now);

 private:
  struct Topic {
    std::string told;  // empty: nothing, or that all is well
    std::optional<MonoTime> told_at;
    // Whether `current` is news that may be told; it counts as told then.
    bool news(const std::string& current, MonoTime now);
  };
  Topic unreadable_;
  Topic settings_;
};

}  // namespace switchgear::guard
