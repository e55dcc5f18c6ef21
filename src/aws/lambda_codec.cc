#include "aws/lambda_codec.h"

#include <array>
#include <boost/json.hpp>
#include <utility>

#include "aws/json_reader.h"
#include "core/assert.h"
#include "net/url.h"

namespace switchgear::aws::lambda_codec {
namespace {

namespace json = boost::json;

const JsonAnswer kAnswer{.service = "Lambda", .source = "lambda"};

// ---- writing

const std::string kMappings = "/2015-03-31/event-source-mappings";
const std::string kFunctions = "/2015-03-31/functions";
const std::string kTags = "/2017-03-31/tags";

// One segment of a path. Without it the path would name another resource.
std::string segment(const std::string& name) {
  SG_ASSERT(!name.empty());
  return "/" + net::percent_encode(name);
}

class Query {
 public:
  void add(const char* name, const std::string& value) {
    text_ += text_.empty() ? "?" : "&";
    text_.append(name).append("=").append(net::percent_encode(value));
  }
  void add_unless_empty(const char* name, const std::string& value) {
    if (!value.empty()) add(name, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

ServiceCall without_body(const char* method, std::string path) {
  return {.body = "", .content_type = "", .method = method, .path = std::move(path)};
}

ServiceCall with_body(const char* method, std::string path, std::string body) {
  return {.body = std::move(body),
          .content_type = "application/json",
          .method = method,
          .path = std::move(path)};
}

// ---- reading

MappingState state_of(std::string_view text) {
  using enum MappingState;
  constexpr std::array<std::pair<std::string_view, MappingState>, 7> kStates{{
      {"Creating", creating},
      {"Enabling", enabling},
      {"Enabled", enabled},
      {"Disabling", disabling},
      {"Disabled", disabled},
      {"Updating", updating},
      {"Deleting", deleting},
  }};
  for (const auto& [name, state] : kStates) {
    if (name == text) return state;
  }
  return unknown;
}

std::string inside(const std::string& path, const char* member) {
  return path.empty() ? member : path + "." + member;
}

std::vector<std::string> texts_in(JsonReader& reader, const json::object& fields,
                                  const std::string& path, const char* member) {
  std::vector<std::string> out;
  for (const json::value& value : reader.array_in(fields, path, member)) {
    out.push_back(reader.text(value, inside(path, member) + "[]"));
  }
  return out;
}

void read_filters(JsonReader& reader, const json::object& fields, const std::string& path,
                  EventSourceMapping& out) {
  const std::string criteria = inside(path, "FilterCriteria");
  const std::string filter = criteria + ".Filters[]";
  for (const json::value& value :
       reader.array_in(reader.object_in(fields, path, "FilterCriteria"), criteria, "Filters")) {
    out.filters.push_back(reader.text_in(reader.object(value, filter), filter, "Pattern"));
  }
  const bool failed = JsonReader::find(fields, "FilterCriteriaError") != nullptr;
  const bool encrypted = !reader.text_in(fields, path, "KMSKeyArn").empty();
  out.filters_hidden = failed || (encrypted && out.filters.empty());
}

// "arn:P:lambda:R:A:event-source-mapping:U", from the function's ARN; empty if that is none.
std::string mapping_arn(const std::string& function_arn, const std::string& uuid) {
  const auto end = function_arn.find(":function:");
  if (!function_arn.starts_with("arn:") || end == std::string::npos) return {};
  return function_arn.substr(0, end) + ":event-source-mapping:" + uuid;
}

EventSourceMapping mapping_of(JsonReader& reader, const json::object& fields,
                              const std::string& path) {
  EventSourceMapping out;
  const std::string uuid = inside(path, "UUID");
  out.uuid = reader.text(reader.required(fields, uuid), uuid);
  out.event_source_arn = reader.text_in(fields, path, "EventSourceArn");
  out.function_arn = reader.text_in(fields, path, "FunctionArn");
  out.arn = reader.text_in(fields, path, "EventSourceMappingArn");
  // Only since 2024, and MiniStack leaves it out.
  if (out.arn.empty()) out.arn = mapping_arn(out.function_arn, out.uuid);
  out.state_text = reader.text_in(fields, path, "State");
  out.state = state_of(out.state_text);
  out.state_transition_reason = reader.text_in(fields, path, "StateTransitionReason");
  out.last_processing_result = reader.text_in(fields, path, "LastProcessingResult");
  out.last_modified = reader.time_in(fields, path, "LastModified");
  out.batch_size = reader.integer_in(fields, path, "BatchSize");
  out.window_s = reader.integer_in(fields, path, "MaximumBatchingWindowInSeconds");
  out.maximum_concurrency = reader.integer_in(reader.object_in(fields, path, "ScalingConfig"),
                                              inside(path, "ScalingConfig"), "MaximumConcurrency");
  out.parallelization_factor = reader.integer_in(fields, path, "ParallelizationFactor");
  out.maximum_record_age_s = reader.integer_in(fields, path, "MaximumRecordAgeInSeconds");
  out.maximum_retry_attempts = reader.integer_in(fields, path, "MaximumRetryAttempts");
  if (JsonReader::find(fields, "StartingPosition") != nullptr) {
    out.starting_position = reader.text_in(fields, path, "StartingPosition");
  }
  const std::string config = inside(path, "ProvisionedPollerConfig");
  const json::object& pollers = reader.object_in(fields, path, "ProvisionedPollerConfig");
  const auto at_least = reader.integer_in(pollers, config, "MinimumPollers");
  const auto at_most = reader.integer_in(pollers, config, "MaximumPollers");
  if (at_least || at_most) {
    out.provisioned_pollers = {at_least.value_or(0), at_most.value_or(0)};
  }
  read_filters(reader, fields, path, out);
  for (const std::string& type : texts_in(reader, fields, path, "FunctionResponseTypes")) {
    if (type == "ReportBatchItemFailures") out.report_batch_item_failures = true;
  }
  out.metrics = texts_in(reader, reader.object_in(fields, path, "MetricsConfig"),
                         inside(path, "MetricsConfig"), "Metrics");
  return out;
}

}  // namespace

ServiceCall list_mappings(const ListMappings& which) {
  Query query;
  query.add_unless_empty("EventSourceArn", which.event_source_arn);
  query.add_unless_empty("FunctionName", which.function_name);
  query.add_unless_empty("Marker", which.marker);
  return without_body("GET", kMappings + query.text());
}

ServiceCall get_mapping(const std::string& uuid) {
  return without_body("GET", kMappings + segment(uuid));
}

ServiceCall update_mapping(const MappingUpdate& update) {
  json::object request;
  if (update.enabled) request["Enabled"] = *update.enabled;
  if (update.batch_size) request["BatchSize"] = *update.batch_size;
  if (update.window_s) request["MaximumBatchingWindowInSeconds"] = *update.window_s;
  if (update.parallelization_factor) {
    request["ParallelizationFactor"] = *update.parallelization_factor;
  }
  if (update.limit) {
    json::object scaling;
    if (update.limit->maximum_concurrency) {
      scaling["MaximumConcurrency"] = *update.limit->maximum_concurrency;
    }
    request["ScalingConfig"] = std::move(scaling);
  }
  if (update.provisioned_pollers) {
    const auto [at_least, at_most] = *update.provisioned_pollers;
    request["ProvisionedPollerConfig"] =
        json::object{{"MinimumPollers", at_least}, {"MaximumPollers", at_most}};
  }
  SG_ASSERT(!request.empty());
  return with_body("PUT", kMappings + segment(update.uuid), json::serialize(request));
}

ServiceCall list_tags(const std::string& arn) { return without_body("GET", kTags + segment(arn)); }

ServiceCall tag(const std::string& arn, const std::map<std::string, std::string>& tags) {
  SG_ASSERT(!tags.empty());
  json::object values;
  for (const auto& [key, value] : tags) values[key] = value;
  return with_body("POST", kTags + segment(arn),
                   json::serialize(json::object{{"Tags", std::move(values)}}));
}

ServiceCall untag(const std::string& arn, const std::vector<std::string>& keys) {
  SG_ASSERT(!keys.empty());
  Query query;
  for (const std::string& key : keys) query.add("tagKeys", key);
  return without_body("DELETE", kTags + segment(arn) + query.text());
}

ServiceCall get_function_configuration(const std::string& function) {
  return without_body("GET", kFunctions + segment(function) + "/configuration");
}

ServiceCall invoke(const InvokeOptions& options) {
  Query query;
  query.add_unless_empty("Qualifier", options.qualifier);
  ServiceCall call =
      with_body("POST", kFunctions + segment(options.function) + "/invocations" + query.text(),
                options.payload);
  call.headers = {{"X-Amz-Invocation-Type", "RequestResponse"}};
  call.attempt_timeout = options.timeout;
  call.attempts_max = 1;
  return call;
}

Result<MappingsPage> read_mappings(std::string_view body) {
  return read_json<MappingsPage>(kAnswer, body, [](JsonReader& reader, const json::object& answer) {
    MappingsPage page{.mappings = {}, .next_marker = reader.text_in(answer, "", "NextMarker")};
    // A list that is missing is not taken for one without mappings.
    const std::string path = "EventSourceMappings";
    const json::array& mappings = reader.array(reader.required(answer, path), path);
    for (std::size_t i = 0; i < mappings.size(); ++i) {
      const std::string inner = path + "[" + std::to_string(i) + "]";
      page.mappings.push_back(mapping_of(reader, reader.object(mappings[i], inner), inner));
    }
    return page;
  });
}

Result<EventSourceMapping> read_mapping(std::string_view body) {
  return read_json<EventSourceMapping>(kAnswer, body, [](JsonReader& reader, const auto& answer) {
    return mapping_of(reader, answer, "");
  });
}

Result<std::map<std::string, std::string>> read_tags(std::string_view body) {
  using Tags = std::map<std::string, std::string>;
  return read_json<Tags>(kAnswer, body, [](JsonReader& reader, const json::object& answer) {
    Tags tags;
    for (const auto& [key, value] : reader.object_in(answer, "", "Tags")) {
      if (value.is_null()) continue;
      tags[std::string(key)] = reader.text(value, "Tags[" + JsonReader::shown(key) + "]");
    }
    return tags;
  });
}

Result<FunctionSettings> read_function(std::string_view body) {
  return read_json<FunctionSettings>(kAnswer, body, [](JsonReader& reader, const auto& answer) {
    FunctionSettings out;
    out.arn = reader.text(reader.required(answer, "FunctionArn"), "FunctionArn");
    out.name = reader.text_in(answer, "", "FunctionName");
    reader.required(answer, "Timeout");
    out.timeout = std::chrono::seconds(reader.integer_in(answer, "", "Timeout").value_or(0));
    out.version = reader.text_in(answer, "", "Version");
    return out;
  });
}

Invocation read_invocation(const Answer& answer) {
  const auto header = [&](const char* name) {
    return std::string(answer.headers.get(name).value_or(""));
  };
  return {.status = answer.status,
          .function_error = header("X-Amz-Function-Error"),
          .payload = answer.body,
          .executed_version = header("X-Amz-Executed-Version")};
}

}  // namespace switchgear::aws::lambda_codec
