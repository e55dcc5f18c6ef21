// A circuit of AWS Powertools' circuit breaker for Python, as its one item in a DynamoDB table says
// it, and what a person may write there. Pure. The item (3.31 to 3.37; the names are settings):
//
//   id (S)                  the circuit's name; or, with a sort key, the partition it shares
//   state (S)               CLOSED, OPEN, HALF_OPEN
//   failure_count (N)       failures in a row that opened it; 0 after a probe failed
//   opened_at (N)           seconds since 1970
//   half_open_owner (S)     the thread that probes
//   probe_lease_expiry (N)  until when nobody else may probe, in seconds since 1970
//   expiration (N)          when DynamoDB may drop the item
//
// There is one only once the circuit has opened. It says nothing of the breaker's settings. A hold
// is the state HALF_OPEN with an owner who never calls, and a lease to the hold's end: no
// environment can be elected to probe before that, and the first that calls afterwards is.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "aws/dynamodb.h"
#include "core/result.h"
#include "core/state.h"
#include "core/time.h"

namespace switchgear::stores {

// Of the attributes, by the parameters of CircuitBreakerDynamoDBPersistence.
struct PowertoolsNames {
  std::string key = "id";
  std::string sort_key = {};   // empty: `key` holds the circuit's name
  std::string partition = {};  // what `key` holds if there is a sort key
  std::string state = "state";
  std::string failure_count = "failure_count";
  std::string opened_at = "opened_at";
  std::string owner = "half_open_owner";
  std::string lease = "probe_lease_expiry";
  std::string expiry = "expiration";
};

struct PowertoolsHold {
  std::string who;
  std::string reason = {};
  std::optional<StoreTime> until = {};  // whole seconds; nothing: until released
  bool was_closed = false;              // the circuit, before it was held
};

struct PowertoolsCircuit {
  std::string name;
  State state = State::closed;  // or open, half_open
  std::int64_t failure_count = 0;
  std::optional<StoreTime> opened_at = {};
  std::string owner = {};  // empty: none
  std::optional<StoreTime> lease_end = {};
  std::optional<StoreTime> expires = {};
  // The hold that the item holds, in force or over by its time.
  std::optional<PowertoolsHold> hold = {};
  // There was one, and a probe or a trip has written over it.
  bool hold_overwritten = false;

  bool held(StoreTime now) const { return hold && (!hold->until || *hold->until > now); }
  // Why nobody will ever probe, if the item stays as it is; empty otherwise.
  std::string stuck() const;
  // The breaker's setting, as far as its item gives it away: of one that is OPEN, by when it
  // expires. Right, or a second too long.
  std::optional<std::chrono::seconds> recovery_timeout() const;
  // When a call may probe; nothing for one that is CLOSED or stuck, or if it is not known.
  std::optional<StoreTime> probes_at() const;
};

// The error "unreadable" says which attribute is not as Powertools writes it; such an item is to be
// left alone. `name`: the circuit's.
Result<PowertoolsCircuit> read_powertools(const PowertoolsNames& names, const std::string& name,
                                          const aws::Item& item);
// Empty if the key is no text.
std::string powertools_circuit_name(const PowertoolsNames& names, const aws::Item& item);
aws::Item powertools_key(const PowertoolsNames& names, const std::string& circuit);

// What is to be written, all of it or nothing: `update` has the condition that the item is still as
// it was seen. It has no table yet.
struct PowertoolsChange {
  aws::ItemUpdate update;
  std::map<std::string, std::optional<aws::AttributeValue>> result;  // nothing: removed

  // Whether the item says so, as it does if an answer was lost and the update sent again.
  bool done(const aws::Item& item) const;
};

// `seen`: the item, which read_powertools() can read; nothing: there is none. `now` in whole
// seconds. `hold.was_closed` is found out here.
PowertoolsChange powertools_hold(const PowertoolsNames& names, const std::string& circuit,
                                 const std::optional<aws::Item>& seen, const PowertoolsHold& hold,
                                 StoreTime now);
// Of one that was closed before: CLOSED; else the next call probes.
PowertoolsChange powertools_release(const PowertoolsNames& names, const std::string& circuit,
                                    const aws::Item& seen, StoreTime now);
PowertoolsChange powertools_reset(const PowertoolsNames& names, const std::string& circuit,
                                  const aws::Item& seen, StoreTime now);

}  // namespace switchgear::stores
