// Where a service is reached, and in which region requests are signed.
#pragma once

#include <string>
#include <string_view>

#include "aws/environment.h"
#include "core/result.h"
#include "net/url.h"

namespace switchgear::aws {

struct EndpointQuestion {
  std::string service = "sqs";      // as in host names and signatures: CloudWatch is "monitoring"
  std::string endpoint_url = {};    // --endpoint-url; empty: not given
  std::string region = {};          // --region; empty: not given
  std::string queue_url = {};       // whose host may name the region; empty: none
  std::string default_region = {};  // if nothing else names one; empty: none
};

struct Endpoint {
  net::Url url;
  std::string region;
  std::string service;
  // From an option or variable (an emulator, a VPC endpoint) rather than from the region.
  bool custom = false;
};

// Endpoint: --endpoint-url, AWS_ENDPOINT_URL_<SERVICE> (AWS_ENDPOINT_URL_CLOUDWATCH),
// AWS_ENDPOINT_URL, the region's own, as in the AWS CLI; the variables do not count if
// AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is "true". AWS_USE_FIPS_ENDPOINT and
// AWS_USE_DUALSTACK_ENDPOINT choose among the region's own; with another endpoint they are an
// error, as in botocore, since nobody can tell what that one is. Region: --region, AWS_REGION,
// AWS_DEFAULT_REGION, the queue URL's host. Errors: "endpoint", "region"; a queue URL of AWS in
// another region than the chosen one is such an error, as SQS would say no more than that the queue
// does not exist.
Result<Endpoint> resolve_endpoint(const EndpointQuestion& question, const Environment& environment);

// The domain of the region's partition, as botocore's partitions.json has it:
// "amazonaws.com.cn" for cn-north-1, and dual-stack "api.amazonwebservices.com.cn".
std::string_view dns_suffix(std::string_view region, bool dual_stack = false);

// The region in the host of a queue URL of AWS ("https://sqs.eu-central-1.amazonaws.com/…", also
// the older "eu-central-1.queue.amazonaws.com", dual-stack, FIPS and VPC endpoints); empty if
// there is none.
std::string region_of_queue_url(std::string_view queue_url);

}  // namespace switchgear::aws
