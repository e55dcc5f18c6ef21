// The JSON of CloudWatch's requests and answers. Pure; what reads answers takes any bytes, as
// lambda_codec.h says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "aws/cloudwatch.h"

namespace switchgear::aws::cloudwatch_codec {

struct AlarmsPage {
  std::vector<Alarm> alarms;
  std::string next_token;  // empty: the last page
};

// Of metric and composite alarms; without a word on types CloudWatch names metric alarms only.
std::string describe_alarms_request(const std::vector<std::string>& names,
                                    const std::string& next_token);
Result<AlarmsPage> read_alarms(std::string_view body);

}  // namespace switchgear::aws::cloudwatch_codec
