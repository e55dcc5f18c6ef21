// What becomes of the table where DynamoDB does not say whether it was made. The whole verification
// on real servers: tests/doctor/test_verify.py.
#include "stores/verification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/scripted_server_for_tests.h"

namespace switchgear::stores {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

net::HttpResponse refusal(int status, const std::string& code) {
  return {.status = status,
          .body = R"({"__type":"com.amazonaws.dynamodb.v20120810#)" + code + R"(","message":"m"})"};
}
const net::HttpResponse kDone{.status = 200, .body = "{}"};
net::HttpResponse not_found() { return refusal(400, "ResourceNotFoundException"); }
net::HttpResponse failed() { return refusal(500, "InternalServerError"); }

class TheTableOfAVerification : public testing::Test {
 protected:
  Verification verify_with(std::deque<net::HttpResponse> answers, Duration appears_within = 1h) {
    server.answers = std::move(answers);
    return verify(loop, [this] { return server.requests.size() >= stopped_at; },
                  {.table = "trial",
                   .open = [this](auto on_consumed,
                                  bool consistent_reads) -> Result<std::unique_ptr<DynamoDbStore>> {
                     return std::make_unique<DynamoDbStore>(
                         loop,
                         aws::Endpoint{.url = net::parse_url(server.url()).value(),
                                       .region = "us-east-1",
                                       .service = "dynamodb"},
                         aws::fixed_credentials({"AKIDEXAMPLE", "secret"}),
                         DynamoDbStoreOptions{.table = "trial",
                                              .timeout = 20s,
                                              .consistent_reads = consistent_reads,
                                              .on_consumed = std::move(on_consumed)});
                   },
                   .appears_within = appears_within});
  }
  std::vector<std::string> operations() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < server.requests.size(); ++i) {
      const std::string target = server.header(i, "X-Amz-Target");
      names.push_back(target.substr(target.find('.') + 1));
    }
    return names;
  }

  net::Loop loop;
  net::ScriptedServer server{loop};
  std::size_t stopped_at = 1'000'000;  // requests
};

TEST_F(TheTableOfAVerification, IsLookedForAndRemovedWhereNobodySaidWhetherItWasMade) {
  const auto found = verify_with({not_found(), failed(), not_found(), not_found(), kDone});
  EXPECT_THAT(operations(), ElementsAre("DescribeTable", "CreateTable", "DeleteTable",
                                        "DeleteTable", "DeleteTable"));
  EXPECT_TRUE(found.made);
  EXPECT_TRUE(found.removed);
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("InternalServerError")));
}

TEST_F(TheTableOfAVerification, IsGoneOnceItWasThere) {
  const auto found = verify_with(
      {not_found(), failed(), refusal(400, "ResourceInUseException"), failed(), not_found()});
  EXPECT_EQ(operations().size(), 5u);
  EXPECT_TRUE(found.removed);
}

TEST_F(TheTableOfAVerification, IsNamedWhereItCannotBeKnownWhetherItIsThere) {
  const auto found = verify_with({not_found(), failed(), not_found()}, 0s);
  EXPECT_TRUE(found.made);
  EXPECT_FALSE(found.seen);
  EXPECT_FALSE(found.removed);
  ASSERT_EQ(found.problems.size(), 2u);
  EXPECT_THAT(found.problems[1], HasSubstr("it is not known whether the table trial was made"));
  EXPECT_THAT(found.problems[1],
              HasSubstr("aws dynamodb delete-table --table-name trial --region"));
}

TEST_F(TheTableOfAVerification, IsLookedForAfterAnInterrupt) {
  stopped_at = 2;
  server.otherwise = [this](const net::HttpRequest&) {
    return server.requests.size() < 5 ? not_found() : kDone;
  };
  // CreateTable is never answered.
  const auto found = verify_with({not_found(), {.status = 0}});
  EXPECT_THAT(operations(), ElementsAre("DescribeTable", "CreateTable", "DeleteTable",
                                        "DeleteTable", "DeleteTable"));
  EXPECT_TRUE(found.removed);
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST_F(TheTableOfAVerification, IsNotLookedForWhereItWasRefused) {
  const auto found = verify_with({not_found(), refusal(400, "ThrottlingException")});
  EXPECT_THAT(operations(), ElementsAre("DescribeTable", "CreateTable"));
  EXPECT_FALSE(found.made);
}

}  // namespace
}  // namespace switchgear::stores
