// A RedisClient that is asked synchronously.
#pragma once

#include <gtest/gtest.h>

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

  // The answer to one command.
  Result<resp::Value> ask(RedisClient& client, std::vector<std::string> command) {
    std::optional<Result<resp::Value>> answer;
    client.command(std::move(command), [&](Result<resp::Value> result) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = std::move(result);
    });
    EXPECT_FALSE(answer) << "answered from inside the call";
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 20s)) << "never answered";
    if (!answer) return Error{.code = "test", .message = "never answered", .source = ""};
    return *answer;
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
