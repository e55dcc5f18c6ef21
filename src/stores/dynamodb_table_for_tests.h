// A store on a table of a real server that speaks DynamoDB.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "aws/dynamodb_server_for_tests.h"
#include "net/url.h"
#include "stores/dynamodb_store.h"

namespace switchgear::stores {

inline aws::Endpoint dynamodb_endpoint(const std::string& url) {
  return {.url = net::parse_url(url).value(),
          .region = "eu-central-1",
          .service = "dynamodb",
          .custom = true};
}

inline std::shared_ptr<aws::CredentialsProvider> dynamodb_test_credentials() {
  return aws::fixed_credentials({.access_key_id = "test", .secret_access_key = "test"});
}

// Makes the table; a failure fails the test.
inline void make_dynamodb_table(net::Loop& loop, const std::string& url, const std::string& name) {
  net::HttpClient http(loop);
  aws::AwsClient client(loop, http, dynamodb_endpoint(url), dynamodb_test_credentials(),
                        core::Random(1));
  aws::DynamoDb dynamodb(client, {.attempt_timeout = 10s});
  std::optional<Result<void>> made;
  dynamodb.create_table({.name = name, .key_attribute = kItemKey},
                        [&](Result<void> result) { made = std::move(result); });
  EXPECT_TRUE(loop.run_until([&] { return made.has_value(); }, 20s));
  EXPECT_TRUE(made && *made) << (made && !*made ? made->error().text() : "no answer");
  std::string status;
  for (int i = 0; i < 200 && status != "ACTIVE"; ++i) {
    bool answered = false;
    dynamodb.describe_table(name, [&](const Result<aws::TableDescription>& table) {
      answered = true;
      if (table) status = table->status;
    });
    EXPECT_TRUE(loop.run_until([&] { return answered; }, 20s));
  }
  EXPECT_EQ(status, "ACTIVE");
}

// On one table for all tests of a program; their circuits have different names.
inline std::unique_ptr<DynamoDbStore> dynamodb_store(net::Loop& loop, const std::string& kind) {
  static std::map<std::string, bool> made;
  aws::DynamoDbServer& server = aws::DynamoDbServer::shared(kind);
  if (!std::exchange(made[kind], true)) make_dynamodb_table(loop, server.url(), "circuits");
  return std::make_unique<DynamoDbStore>(loop, dynamodb_endpoint(server.url()),
                                         dynamodb_test_credentials(),
                                         DynamoDbStoreOptions{.table = "circuits", .timeout = 10s});
}

}  // namespace switchgear::stores
