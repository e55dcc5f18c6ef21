// What the outside is told when a circuit or what it guards changes, as one JSON document, the same
// for EventBridge, SNS and a webhook.
#pragma once

#include <cstdint>
#include <string>

#include "core/state.h"
#include "core/time.h"

namespace switchgear::controller {

struct Announcement {
  enum class Kind : unsigned char {
    state,             // the circuit's state or hold has changed
    paused,            // a mapping was switched off or limited
    resumed,           // a mapping is as it was before
    loss_approaching,  // messages will expire
  };
  Kind kind = Kind::state;
  std::string circuit;
  std::int64_t epoch = 0;  // with the circuit and the kind it identifies the event
  State from = State::closed;
  State to = State::closed;
  HoldKind hold = HoldKind::none;
  StoreTime at{};
  std::string reason;  // a word: "alarm", "probe_failed"
  std::string why;     // a sentence
  std::string next;    // what comes next, or what to do
  std::string source;  // of the mapping or queue that it is about; empty: none
};

// "Switchgear Circuit State Change", "Switchgear Source Paused", …
std::string detail_type(const Announcement&);
// "payments-api is OPEN": for a subject line.
std::string headline(const Announcement&);
// {"circuit":…,"epoch":…,"state":{"value":"OPEN","reason":…,"timestamp":…},
//  "previousState":{"value":"CLOSED"},…}: a rule for CloudWatch's alarm events that looks at
// state.value and previousState.value reads it as well. Timestamps as CloudWatch writes them:
// "2019-10-02T17:20:48.554+0000".
std::string detail(const Announcement&);

// What comes next in this state, for a person.
std::string next_of(State state, HoldKind hold);

}  // namespace switchgear::controller
