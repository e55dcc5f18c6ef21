#include "stores/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace switchgear::stores {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class OpenStore : public ::testing::Test {
 protected:
  std::string backend(std::string_view url) {
    const auto store = open_store(loop_, url);
    return store ? (*store)->backend() : store.error().text();
  }
  Error refusal(std::string_view url, const StoreOptions& options = {}) {
    const auto store = open_store(loop_, url, options);
    EXPECT_FALSE(store) << url;
    return store ? Error{} : store.error();
  }
  net::Loop loop_;
};

TEST_F(OpenStore, OpensMemoryAndRedis) {
  EXPECT_EQ(backend("memory:"), "memory");
  EXPECT_EQ(backend("redis://127.0.0.1:1"), "redis");
  EXPECT_EQ(backend("redis://user:password@[::1]:1/2"), "redis");
  EXPECT_EQ(backend("rediss://:password@a,b"), "redis");
  EXPECT_EQ(backend("redis+sentinel://a,b/orders"), "redis");
}

TEST_F(OpenStore, NamesWhatIsOfALaterVersion) {
  const Error why = refusal("momento://cache");
  EXPECT_EQ(why.code, "unsupported");
  EXPECT_THAT(why.message,
              AllOf(HasSubstr("not in this version"), HasSubstr("memory:"), HasSubstr("redis://")));
}

TEST_F(OpenStore, SaysWhatAStoreLooksLike) {
  for (const char* url : {"", "redis", "localhost:6379", "http://:hunter2@h", "redis:", "redis:/h",
                          "memory", "file:///etc/passwd"}) {
    const Error why = refusal(url);
    EXPECT_EQ(why.code, "url") << url;
    EXPECT_THAT(why.message, AllOf(HasSubstr("redis://"), Not(HasSubstr("hunter2")))) << url;
  }
  EXPECT_EQ(refusal("redis://").code, "url");
  EXPECT_EQ(refusal("redis://h/notanumber").code, "url");
}

TEST_F(OpenStore, RefusesANamespaceThatCouldBeMistaken) {
  for (const char* name : {"", "a b", "a*", "a}", "ü"}) {
    EXPECT_EQ(refusal("memory:", {.name_space = name}).code, "namespace") << name;
  }
  EXPECT_EQ(refusal("memory:", {.name_space = std::string(65, 'a')}).code, "namespace");
}

TEST_F(OpenStore, ChecksAUrlWithoutOpeningAnything) {
  EXPECT_TRUE(check_store_url("memory:"));
  EXPECT_TRUE(check_store_url("redis://no-such-host.invalid"));
  EXPECT_TRUE(check_store_url("dynamodb://table"));
  EXPECT_TRUE(check_store_url("DynamoDB://table"));
  EXPECT_TRUE(check_store_url("REDIS://no-such-host.invalid"));
  EXPECT_TRUE(check_store_url("dynamodb://Circuits_1.prod-a?region=eu-central-1"));
}

TEST_F(OpenStore, OpensDynamoDbByTheEnvironment) {
  std::map<std::string, std::string> variables{{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                               {"AWS_SECRET_ACCESS_KEY", "hunter2"}};
  const StoreOptions options{.environment = [&](const std::string& name) {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  }};
  EXPECT_EQ(refusal("dynamodb://circuits", options).code, "region");
  EXPECT_TRUE(open_store(loop_, "dynamodb://circuits?region=eu-central-1", options));
  variables["AWS_REGION"] = "eu-central-1";
  const auto store = open_store(loop_, "dynamodb://circuits", options);
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->backend(), "dynamodb");
  EXPECT_EQ((*store)->record_place("payments"), "item \"switchgear/payments\" of table circuits");
  variables.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(refusal("dynamodb://circuits", options).code, "credentials");
}

TEST_F(OpenStore, OpensAnElastiCacheByTokensOfTheEnvironment) {
  std::map<std::string, std::string> variables{{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                               {"AWS_SECRET_ACCESS_KEY", "hunter2"}};
  const StoreOptions options{.environment = [&](const std::string& name) {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  }};
  const std::string url = "rediss://ann@cache.example?iam_cache=orders";
  EXPECT_EQ(refusal(url, options).code, "region");
  EXPECT_TRUE(open_store(loop_, url + "&region=eu-central-1", options));
  variables["AWS_REGION"] = "eu-central-1";
  EXPECT_TRUE(open_store(loop_, url, options));
  variables.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(refusal(url, options).code, "credentials");
}

TEST_F(OpenStore, SaysWhatATableLooksLike) {
  for (const char* url :
       {"dynamodb://", "dynamodb://ab", "dynamodb://with space", "dynamodb://table/path",
        "dynamodb://table:8000", "dynamodb://table?endpoint=x", "dynamodb://table?region=",
        "dynamodb://table?region=a&x=y", "dynamodb://user:hunter2@table"}) {
    const auto checked = check_store_url(url);
    ASSERT_FALSE(checked) << url;
    EXPECT_EQ(checked.error().code, "url") << url;
    EXPECT_THAT(checked.error().message,
                AllOf(HasSubstr("dynamodb://TABLE"), Not(HasSubstr("hunter2"))))
        << url;
  }
}

TEST_F(OpenStore, GivesAStoreInMemoryTheTimeOfThisMachine) {
  const auto store = open_store(loop_, "memory:");
  ASSERT_TRUE(store);
  StoreTime time;
  (*store)->execute("c", fleet::ReadOp{},
                    [&](Result<fleet::Answer> answer) { time = answer->snapshot.time; });
  ASSERT_TRUE(loop_.run_until([&] { return time != StoreTime{}; }, 10s));
  EXPECT_GT(time, store_time_ms(1'600'000'000'000));
}

}  // namespace
}  // namespace switchgear::stores
