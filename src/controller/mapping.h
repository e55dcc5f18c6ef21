// An event source mapping as the controller sees it, and how it may be set. Values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace switchgear::controller {

enum class SourceKind : unsigned char { sqs, sqs_fifo, kinesis, dynamodb_stream, kafka, mq, other };
std::string_view to_string(SourceKind);
// By the source's ARN; a mapping of a self-managed Kafka cluster has none.
SourceKind kind_of_source(std::string_view event_source_arn);

// For how long a mapping of such a source may be off before what waits is gone: a DynamoDB stream
// keeps records for 24 hours, a Kinesis stream for at least as long, and Kafka forgets a consumer's
// position after 7 days. Queues are watched by the age of what is in them (queue/retention.h).
Duration rest_max(SourceKind kind);

// What the controller may change.
struct Settings {
  bool enabled = true;
  // MaximumConcurrency; none: no cap. A mapping that is off keeps what it had, so that whoever
  // switches it on by hand finds it as it was.
  std::optional<int> limit = {};
  // Of a wanted setting: none leaves it as it is.
  std::optional<int> batch_size = {};
  std::optional<int> window_s = {};
  std::optional<int> parallelization_factor = {};
  friend bool operator==(const Settings&, const Settings&) = default;
};

// Whether a mapping that is set like `actual` is as `wanted`.
bool is_as(const Settings& actual, const Settings& wanted);
// Of `from`, whether it is on, the limit, and how batches are taken where `like` says that.
Settings part_of(const Settings& from, const Settings& like);
// "on, up to 50 at a time", "off".
std::string describe(const Settings&);
// "v1:enabled=true:max=50", as tags can hold it; values that are not set are left out.
std::string encode(const Settings&);
// Empty: it is none of ours.
std::optional<Settings> decode_settings(std::string_view text);

struct Mapping {
  std::string uuid;
  std::string arn;
  std::string function_arn;  // with the qualifier that the mapping invokes, if it has one
  std::string source_arn;
  // Being created, enabled, disabled, updated: nothing may be changed until it has settled.
  bool changing = false;
  Settings settings;  // `enabled`: as it is, or is about to be
  bool filters = false;
  bool report_batch_item_failures = false;
  bool provisioned = false;  // pollers of its own: no MaximumConcurrency
  // Why records would be lost while it is off, or limited; empty: none would.
  std::string loses = {};
  SourceKind kind() const { return kind_of_source(source_arn); }
  // Whether MaximumConcurrency can be set.
  bool limitable() const {
    return !provisioned && (kind() == SourceKind::sqs || kind() == SourceKind::sqs_fifo);
  }
  friend bool operator==(const Mapping&, const Mapping&) = default;
};

// What a person writes to name mappings: a UUID, the ARN of a source, the name or ARN of a
// function (with or without a qualifier).
struct Selector {
  enum class By : unsigned char { uuid, source, function };
  By by = By::function;
  std::string text;
  friend bool operator==(const Selector&, const Selector&) = default;
};
Selector selector_of(std::string_view text);

}  // namespace switchgear::controller
