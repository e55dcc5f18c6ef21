// What the deciding half of the controller asks of the half that carries out, and what it says for
// people to read. Values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/mapping.h"
#include "core/time.h"
#include "fleet/store_ops.h"
#include "ops/log.h"
#include "queue/parking.h"
#include "queue/queue_attributes.h"

namespace switchgear::controller {

// ---- The store. Answers: circuit_answered(), note_answered().
struct CircuitAction {
  fleet::Operation operation;  // a read or a swap
};
struct ReadNoteAction {};
struct WriteNoteAction {
  std::uint64_t expected = 0;
  std::string text;
};
// ---- CloudWatch. Answer: alarms_answered().
struct ReadAlarmsAction {
  std::vector<std::string> names;
};
// ---- Lambda's control plane: each one call, or one per page.
// Answer: mappings_listed().
struct ListMappingsAction {
  Selector selector;
};
// Answer: mapping_answered().
struct GetMappingAction {
  std::string uuid;
};
// Enabled and the limit are always sent, in one update. Answer: mapping_answered().
struct UpdateMappingAction {
  std::string uuid;
  Settings settings;
  bool limitable = true;  // otherwise the limit is not sent
};
// Answer: tags_answered().
struct ReadTagsAction {
  std::string uuid;
  std::string arn;
};
// Answer: tagged().
struct TagAction {
  std::string uuid;
  std::string arn;
  std::map<std::string, std::string> tags;
};
struct UntagAction {
  std::string uuid;
  std::string arn;
  std::vector<std::string> keys;
};
// ---- SQS. Answer: queue_answered().
struct LookAtQueueAction {
  std::string arn;
};
// Answer: retention_set().
struct SetRetentionAction {
  std::string arn;
  std::chrono::seconds retention{0};
};
// The attribute's text. Answer: redrive_set().
struct SetRedriveAction {
  std::string arn;
  std::string policy;
};
// ---- One batch of messages, beside all else. Answer: moved().
struct ParkAction {
  queue::ParkingRule rule;
};
struct ReturnParkedAction {
  std::string parking_arn;
};
// ---- One trial message of this mapping. Answer: trial_ended(); may take as long as the function.
struct TrialAction {
  Mapping mapping;
  Duration rest{0};  // for a message that fails, at first; 0: it is given back at once
};

using Action =
    std::variant<CircuitAction, ReadNoteAction, WriteNoteAction, ReadAlarmsAction,
                 ListMappingsAction, GetMappingAction, UpdateMappingAction, ReadTagsAction,
                 TagAction, UntagAction, LookAtQueueAction, SetRetentionAction, SetRedriveAction,
                 ParkAction, ReturnParkedAction, TrialAction>;
// Whether it counts against the budget of the control plane.
bool calls_control_plane(const Action&);

// How a trial ended.
struct TrialResult {
  enum class Kind : unsigned char {
    succeeded,   // the message is done and deleted
    failed,      // the function failed, or said so of the message
    nothing,     // no message waits
    no_verdict,  // throttled, answer lost, no right to: says nothing of the dependency
    not_so,      // this mapping cannot be tried at all
  };
  Kind kind = Kind::no_verdict;
  std::string detail;                 // for a person
  std::optional<WallTime> sent = {};  // when the message had been sent
};

// What a queue says of itself. The counts are approximate.
struct QueueLook {
  queue::QueueAttributes attributes;
  std::int64_t visible = 0;
  std::int64_t in_flight = 0;
  std::int64_t delayed = 0;
  bool empty() const { return visible + in_flight + delayed == 0; }
  bool waiting() const { return visible + in_flight > 0; }
};

// Something worth a line in the log.
struct Notice {
  ops::LogLevel level = ops::LogLevel::info;
  std::string text;
  std::vector<std::pair<std::string, std::string>> fields;
};

}  // namespace switchgear::controller
