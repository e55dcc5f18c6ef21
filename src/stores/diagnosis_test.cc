// What is told about a store that is not well; `tests/doctor/` has the whole of it on real servers.
#include "stores/diagnosis.h"

#include <gtest/gtest.h>

#include "stores/dynamodb_diagnosis.h"
#include "stores/memory_store.h"
#include "stores/redis_diagnosis.h"
#include "stores/redis_node_diagnosis.h"
#include "stores/verification.h"

namespace switchgear::stores {
namespace {

class Diagnosing : public ::testing::Test {
 protected:
  Finding clock(Duration ahead, Duration uncertainty, bool signs) {
    Examination examination(waiting_, store_, options_);
    examination.judge_clock(ahead, uncertainty, signs);
    return examination.result().findings.at(0);
  }

  net::Loop loop_;
  net::Waiting waiting_{loop_};
  MemoryStore store_{loop_, [] { return store_time_ms(1'700'000'000'000); }};
  DiagnosisOptions options_;
};

TEST_F(Diagnosing, AClockIsAsWrongAsIsCertain) {
  EXPECT_EQ(clock(10ms, 2ms, false).grade, Grade::ok);
  EXPECT_EQ(clock(1500ms, 600ms, false).grade, Grade::ok) << "it may be 0.9 s";
  EXPECT_EQ(clock(-1500ms, 400ms, false).grade, Grade::warning);
  EXPECT_EQ(clock(10min, 1s, false).grade, Grade::warning);
  EXPECT_EQ(clock(-10min, 1s, true).grade, Grade::error) << "signatures are refused";
  EXPECT_NE(clock(-10min, 1s, true).found.find("600 s behind this machine's"), std::string::npos);
}

TEST_F(Diagnosing, AnyStoreIsTimedAndItsCircuitsAreRead) {
  const Diagnosis diagnosis = diagnose(waiting_, store_, options_);
  EXPECT_TRUE(diagnosis.reached);
  ASSERT_EQ(diagnosis.findings.size(), 2u);
  EXPECT_EQ(diagnosis.findings[0].check, "latency");
  EXPECT_EQ(diagnosis.findings[1].found, "none yet");
}

TEST(RedisDiagnosis, ReadsWhatInfoSays) {
  const std::string info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nlast:x";
  EXPECT_EQ(info_value(info, "redis_version"), "7.0.15");
  EXPECT_EQ(info_value(info, "redis_mode"), "standalone");
  EXPECT_EQ(info_value(info, "last"), "x");
  EXPECT_EQ(info_value(info, "redis"), "");
  EXPECT_EQ(info_value("", "redis_version"), "");
}

TEST(RedisDiagnosis, TellsOnceWhatIsTheSameOnSeveralServers) {
  const Finding well{"eviction", Grade::ok, "noeviction"};
  const Finding bad{"eviction", Grade::warning, "allkeys-lru", "change it"};
  const auto memory = [](std::string used) {
    return Finding{"memory", Grade::ok, std::move(used)};
  };
  const std::vector<Finding> all = joined_findings({{"a:1", {well, memory("1 MiB")}},
                                                    {"b:2", {bad, memory("2 MiB")}},
                                                    {"c:3", {bad, memory("1 MiB")}}});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].found, "a:1: noeviction");
  EXPECT_EQ(all[1].found, "b:2, c:3: allkeys-lru");
  EXPECT_EQ(all[1].fix, "change it");
  EXPECT_EQ(all[2].found, "all 3 primaries, for instance a:1: 1 MiB");
}

TEST(RedisDiagnosis, NeverSpeaksOfSeveralServersWhereThereIsOne) {
  const std::vector<Finding> all = joined_findings({{"a:1", {{"role", Grade::ok, "fine"}}}});
  EXPECT_EQ(all.at(0).found, "a:1: fine");
}

Error refusal(std::string code, std::string message) {
  return {.code = std::move(code),
          .message = std::move(message),
          .retryable = false,
          .source = "dynamodb"};
}

TEST(DynamoDbDiagnosis, NamesTheActionThatAwsRefuses) {
  const Error denied = refusal("AccessDeniedException",
                               "User: arn:aws:iam::123456789012:user/ann is not authorized to "
                               "perform: dynamodb:UpdateItem on resource: arn:aws:dynamodb:x");
  EXPECT_TRUE(is_denied(denied));
  EXPECT_EQ(denied_action(denied, "dynamodb:GetItem"), "dynamodb:UpdateItem");
  EXPECT_EQ(denied_action(refusal("AccessDenied", "no"), "dynamodb:GetItem"), "dynamodb:GetItem");
  EXPECT_FALSE(is_denied(refusal("ThrottlingException", "slow down")));
  EXPECT_TRUE(is_login_trouble(refusal("ExpiredTokenException", "")));
}

TEST(Verification, ShowsNoAccountsAndNoArns) {
  EXPECT_EQ(without_accounts("User: arn:aws:iam::123456789012:user/ann is not, id 123456789012."),
            "User: arn:… is not, id ************.");
  EXPECT_EQ(without_accounts("1700000000000 ms, 12345678901"), "1700000000000 ms, 12345678901");
  EXPECT_EQ(without_accounts(""), "");
}

TEST(Verification, CostsWhatItsUnitsCost) {
  const CapacityPrices prices{.read_units = 0.125, .write_units = 0.625};
  EXPECT_DOUBLE_EQ(
      cost_of({.name = "", .read_units = 2e6, .write_units = 1e6, .untold = 1'000'000}, prices),
      0.25 + 1.25);
  EXPECT_NEAR(cost_at_most(prices), 0.2, 1e-9);
}

TEST(Verification, AQuantileIsATimeThatWasMeasured) {
  const OperationFigures figures{.name = "", .times = {1ms, 2ms, 3ms, 4ms}};
  EXPECT_EQ(figures.quantile(0.5), 2ms);
  EXPECT_EQ(figures.quantile(0.99), 4ms);
  EXPECT_EQ(OperationFigures{}.quantile(0.5), Duration{});
}

}  // namespace
}  // namespace switchgear::stores
