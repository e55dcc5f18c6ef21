// A RedisClient that is asked synchronously.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/redis_client.h"

namespace switchgear::net {

class RedisClientTest : public ::testing::Test {
 protected:
  RedisClient client_of(const std::string& url, const RedisOptions& options = {}) {
    const auto address = redis_address(url);
    EXPECT_TRUE(address) << address.error().text();
    return RedisClient(loop, *address, options);
  }

  // The answer to one command, which `send` sends.
  Result<resp::Value> answer_to(const std::function<void(RedisCallback)>& send) {
    std::optional<Result<resp::Value>> answer;
    send([&](Result<resp::Value> result) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = std::move(result);
    });
    EXPECT_FALSE(answer) << "answered from inside the call";
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 20s)) << "never answered";
    if (!answer) return Error{.code = "test", .message = "never answered", .source = ""};
    return *answer;
  }
  Result<resp::Value> ask(RedisClient& client, const std::vector<std::string>& command) {
    return answer_to([&](RedisCallback done) { client.command(command, std::move(done)); });
  }
  void expect_answers_in_order(RedisClient& client) {
    std::vector<std::int64_t> answers;
    for (int i = 0; i < 2'000; ++i) {
      client.command({"INCR", "n"}, [&](Result<resp::Value> result) {
        ASSERT_TRUE(result) << result.error().text();
        answers.push_back(result->integer);
      });
    }
    ASSERT_TRUE(loop.run_until([&] { return answers.size() == 2'000; }, 20s));
    for (std::size_t i = 0; i < answers.size(); ++i) {
      ASSERT_EQ(answers[i], static_cast<std::int64_t>(i) + 1);
    }
  }
  std::string text_of(RedisClient& client, std::vector<std::string> command) {
    const auto answer = ask(client, std::move(command));
    return answer ? resp::to_string(*answer) : answer.error().text();
  }
  Error error_of(RedisClient& client, std::vector<std::string> command = {"PING"}) {
    const auto answer = ask(client, std::move(command));
    EXPECT_FALSE(answer) << resp::to_string(answer.value());
    return answer ? Error{} : answer.error();
  }
  void let_pass(Duration time) {
    loop.run_until([] { return false; }, time);
  }

  Loop loop;
};

}  // namespace switchgear::net
