// Paths and JSON of Lambda's requests and answers. Pure; what reads answers takes any bytes:
// unknown members are passed over, null is as good as missing, and a member that is missing where
// it must be there or of the wrong type gives the error "protocol" with its path.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/client.h"
#include "aws/lambda.h"

namespace switchgear::aws::lambda_codec {

ServiceCall list_mappings(const ListMappings& which);
ServiceCall get_mapping(const std::string& uuid);
ServiceCall update_mapping(const MappingUpdate& update);
ServiceCall list_tags(const std::string& arn);
ServiceCall tag(const std::string& arn, const std::map<std::string, std::string>& tags);
ServiceCall untag(const std::string& arn, const std::vector<std::string>& keys);
ServiceCall get_function_configuration(const std::string& function);
ServiceCall invoke(const InvokeOptions& options);

Result<MappingsPage> read_mappings(std::string_view body);
Result<EventSourceMapping> read_mapping(std::string_view body);
Result<std::map<std::string, std::string>> read_tags(std::string_view body);
Result<FunctionSettings> read_function(std::string_view body);
Invocation read_invocation(const Answer& answer);

}  // namespace switchgear::aws::lambda_codec
