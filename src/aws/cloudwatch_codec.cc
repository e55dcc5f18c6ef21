#include "aws/cloudwatch_codec.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "aws/json_reader.h"
#include "core/assert.h"

namespace switchgear::aws::cloudwatch_codec {
namespace {

namespace json = boost::json;

const JsonAnswer kAnswer{.service = "CloudWatch", .source = "monitoring"};

// The longest period of the metrics that an expression is made of; nothing if none has one.
std::optional<int> period_of_metrics(JsonReader& reader, const json::object& fields,
                                     const std::string& path) {
  std::optional<int> longest;
  const std::string metric = path + ".Metrics[]";
  for (const json::value& value : reader.array_in(fields, path, "Metrics")) {
    const json::object& query = reader.object(value, metric);
    const auto of_stat = reader.integer_in(reader.object_in(query, metric, "MetricStat"),
                                           metric + ".MetricStat", "Period");
    longest = std::max({longest, of_stat, reader.integer_in(query, metric, "Period")});
  }
  return longest;
}

Alarm::State state_of(JsonReader& reader, const json::object& fields, const std::string& path) {
  const std::string name = path + ".StateValue";
  const std::string text = reader.text(reader.required(fields, name), name);
  if (text == "OK") return Alarm::State::ok;
  if (text == "ALARM") return Alarm::State::alarm;
  if (text != "INSUFFICIENT_DATA") reader.misfit(name + " is no state of an alarm");
  return Alarm::State::insufficient_data;
}

Alarm alarm_of(JsonReader& reader, const json::object& fields, const std::string& path,
               bool composite) {
  Alarm out;
  out.name = reader.text(reader.required(fields, path + ".AlarmName"), path + ".AlarmName");
  out.arn = reader.text_in(fields, path, "AlarmArn");
  out.state = state_of(reader, fields, path);
  out.state_reason = reader.text_in(fields, path, "StateReason");
  out.state_updated = reader.time_in(fields, path, "StateUpdatedTimestamp");
  out.state_transitioned = reader.time_in(fields, path, "StateTransitionedTimestamp");
  out.composite = composite;
  if (composite) return out;
  out.treat_missing_data = reader.text_in(fields, path, "TreatMissingData");
  out.period_s = reader.integer_in(fields, path, "Period");
  if (!out.period_s) out.period_s = period_of_metrics(reader, fields, path);
  out.evaluation_periods = reader.integer_in(fields, path, "EvaluationPeriods");
  out.datapoints_to_alarm = reader.integer_in(fields, path, "DatapointsToAlarm");
  return out;
}

}  // namespace

std::string describe_alarms_request(const std::vector<std::string>& names,
                                    const std::string& next_token) {
  SG_ASSERT(!names.empty() && names.size() <= kAlarmNamesMax);
  json::object request{{"AlarmNames", json::array(names.begin(), names.end())},
                       {"AlarmTypes", {"MetricAlarm", "CompositeAlarm"}},
                       {"MaxRecords", kAlarmNamesMax}};
  if (!next_token.empty()) request["NextToken"] = next_token;
  return json::serialize(request);
}

Result<AlarmsPage> read_alarms(std::string_view body) {
  return read_json<AlarmsPage>(kAnswer, body, [](JsonReader& reader, const json::object& answer) {
    AlarmsPage page{.alarms = {}, .next_token = reader.text_in(answer, "", "NextToken")};
    for (const bool composite : {false, true}) {
      const std::string path = composite ? "CompositeAlarms" : "MetricAlarms";
      const json::array& alarms = reader.array_in(answer, "", path.c_str());
      for (std::size_t i = 0; i < alarms.size(); ++i) {
        const std::string inner = path + "[" + std::to_string(i) + "]";
        page.alarms.push_back(alarm_of(reader, reader.object(alarms[i], inner), inner, composite));
      }
    }
    return page;
  });
}

}  // namespace switchgear::aws::cloudwatch_codec
