#include "aws/endpoint.h"

#include <gtest/gtest.h>

#include <map>

namespace switchgear::aws {
namespace {

using Values = std::map<std::string, std::string>;

Environment environment(Values values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto it = values.find(name);
    if (it == values.end()) return std::nullopt;
    return it->second;
  };
}
std::string url_of(const EndpointQuestion& question, Values values = {}) {
  const auto endpoint = resolve_endpoint(question, environment(std::move(values)));
  return endpoint ? endpoint->url.text() : endpoint.error().code;
}
std::string region_of(const EndpointQuestion& question, Values values = {}) {
  const auto endpoint = resolve_endpoint(question, environment(std::move(values)));
  return endpoint ? endpoint->region : endpoint.error().code;
}

TEST(Endpoint, IsTheRegionsOwn) {
  EXPECT_EQ(url_of({.region = "eu-central-1"}), "https://sqs.eu-central-1.amazonaws.com");
}

TEST(Endpoint, KnowsThePartitionsDomains) {
  EXPECT_EQ(url_of({.region = "cn-north-1"}), "https://sqs.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(url_of({.region = "us-gov-west-1"}), "https://sqs.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(url_of({.region = "us-iso-east-1"}), "https://sqs.us-iso-east-1.c2s.ic.gov");
  EXPECT_EQ(url_of({.region = "us-isob-east-1"}), "https://sqs.us-isob-east-1.sc2s.sgov.gov");
  EXPECT_EQ(url_of({.region = "eu-isoe-west-1"}), "https://sqs.eu-isoe-west-1.cloud.adc-e.uk");
  EXPECT_EQ(url_of({.region = "us-isof-south-1"}), "https://sqs.us-isof-south-1.csp.hci.ic.gov");
  EXPECT_EQ(url_of({.region = "eusc-de-east-1"}), "https://sqs.eusc-de-east-1.amazonaws.eu");
}

TEST(Endpoint, TakesTheMostSpecificSetting) {
  Values values{{"AWS_REGION", "us-east-1"}};
  EXPECT_EQ(url_of({}, values), "https://sqs.us-east-1.amazonaws.com");
  values["AWS_ENDPOINT_URL"] = "http://general:1";
  EXPECT_EQ(url_of({}, values), "http://general:1");
  values["AWS_ENDPOINT_URL_SQS"] = "http://own:2/";
  EXPECT_EQ(url_of({}, values), "http://own:2/");
  EXPECT_EQ(url_of({.endpoint_url = "http://option:3"}, values), "http://option:3");
}

TEST(Endpoint, KnowsServicesByTheNamesThatVariablesGiveThem) {
  const Values values{{"AWS_REGION", "us-east-1"},
                      {"AWS_ENDPOINT_URL_CLOUDWATCH", "http://cloudwatch:1"},
                      {"AWS_ENDPOINT_URL_LAMBDA", "http://lambda:1"}};
  EXPECT_EQ(url_of({.service = "monitoring"}, values), "http://cloudwatch:1");
  EXPECT_EQ(url_of({.service = "lambda"}, values), "http://lambda:1");
}

TEST(Endpoint, IgnoresTheVariablesWhenTold) {
  const Values values{{"AWS_REGION", "us-east-1"},
                      {"AWS_ENDPOINT_URL", "http://general:1"},
                      {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}};
  EXPECT_EQ(url_of({}, values), "https://sqs.us-east-1.amazonaws.com");
  EXPECT_EQ(url_of({.endpoint_url = "http://option:3"}, values), "http://option:3");
}

TEST(Endpoint, TakesTheMostSpecificRegion) {
  const std::string queue = "https://sqs.eu-west-1.amazonaws.com/1/q";
  Values values;
  const EndpointQuestion question{.endpoint_url = "http://h", .queue_url = queue};
  EXPECT_EQ(region_of(question, values), "eu-west-1");
  values["AWS_DEFAULT_REGION"] = "us-west-1";
  EXPECT_EQ(region_of(question, values), "us-west-1");
  values["AWS_REGION"] = "us-east-2";
  EXPECT_EQ(region_of(question, values), "us-east-2");
  EXPECT_EQ(region_of({.endpoint_url = "http://h", .region = "sa-east-1"}, values), "sa-east-1");
}

TEST(Endpoint, SaysThatNoRegionIsKnown) {
  const auto endpoint = resolve_endpoint({}, environment({}));
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code, "region");
  EXPECT_NE(endpoint.error().message.find("AWS_REGION"), std::string::npos);
}

TEST(Endpoint, RefusesARegionThatIsNone) {
  EXPECT_EQ(url_of({.region = "eu.evil.example/"}), "region");
  EXPECT_EQ(url_of({.region = "EU-West-1"}), "region");
}

TEST(Endpoint, RefusesAQueueOfAnotherRegion) {
  const EndpointQuestion question{.region = "us-east-1",
                                  .queue_url = "https://sqs.eu-west-1.amazonaws.com/1/q"};
  const auto endpoint = resolve_endpoint(question, environment({}));
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code, "region");
  EXPECT_NE(endpoint.error().message.find("eu-west-1"), std::string::npos);
}

TEST(Endpoint, RefusesAUrlThatIsNoEndpointAndNamesWhoSaidIt) {
  for (const char* text : {"h:1", "ftp://h", "http://h/path", "http://user:pw@h"}) {
    const auto endpoint = resolve_endpoint(
        {}, environment({{"AWS_REGION", "us-east-1"}, {"AWS_ENDPOINT_URL_SQS", text}}));
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().code, "endpoint");
    EXPECT_TRUE(endpoint.error().message.starts_with("AWS_ENDPOINT_URL_SQS: "));
    EXPECT_EQ(endpoint.error().message.find("pw"), std::string::npos);
  }
}

TEST(QueueUrl, TellsItsRegion) {
  EXPECT_EQ(region_of_queue_url("https://sqs.eu-central-1.amazonaws.com/1/q"), "eu-central-1");
  EXPECT_EQ(region_of_queue_url("https://eu-central-1.queue.amazonaws.com/1/q"), "eu-central-1");
  EXPECT_EQ(region_of_queue_url("https://queue.amazonaws.com/1/q"), "us-east-1");
  EXPECT_EQ(region_of_queue_url("https://sqs-fips.us-east-2.amazonaws.com/1/q"), "us-east-2");
  EXPECT_EQ(region_of_queue_url("https://sqs.us-east-2.api.aws/1/q"), "us-east-2");
  EXPECT_EQ(region_of_queue_url("https://sqs.cn-north-1.amazonaws.com.cn/1/q"), "cn-north-1");
  EXPECT_EQ(region_of_queue_url("https://vpce-1-a.sqs.us-east-1.vpce.amazonaws.com/1/q"),
            "us-east-1");
}

TEST(QueueUrl, OfAnotherHostTellsNone) {
  EXPECT_EQ(region_of_queue_url("http://127.0.0.1:4566/000000000000/q"), "");
  EXPECT_EQ(region_of_queue_url("http://sqs.us-east-1.localhost.example:4566/0/q"), "");
  EXPECT_EQ(region_of_queue_url("orders"), "");
  EXPECT_EQ(region_of_queue_url(""), "");
}

}  // namespace
}  // namespace switchgear::aws
