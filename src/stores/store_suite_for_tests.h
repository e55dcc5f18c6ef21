// What the tests of every backend share: a store that is asked synchronously.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/loop.h"
#include "stores/store.h"
#include "stores/trial.h"

namespace switchgear::stores {

// Runs the loop until the store has answered.
inline Result<fleet::Answer> ask(net::Loop& loop, Store& store, const std::string& circuit,
                                 const fleet::Operation& operation) {
  auto answer = std::make_shared<std::optional<Result<fleet::Answer>>>();
  store.execute(circuit, operation, [answer](Result<fleet::Answer> result) {
    EXPECT_FALSE(answer->has_value()) << "answered twice";
    *answer = std::move(result);
  });
  EXPECT_FALSE(answer->has_value()) << "answered from inside the call";
  EXPECT_TRUE(loop.run_until([&] { return answer->has_value(); }, 20s)) << "never answered";
  if (answer->has_value()) return **answer;
  return Error{.code = "test", .message = "never answered", .retryable = false, .source = ""};
}

inline Result<std::vector<std::string>> ask_names(net::Loop& loop, Store& store) {
  auto answer = std::make_shared<std::optional<Result<std::vector<std::string>>>>();
  store.list([answer](Result<std::vector<std::string>> result) { *answer = std::move(result); });
  EXPECT_TRUE(loop.run_until([&] { return answer->has_value(); }, 20s)) << "never answered";
  if (answer->has_value()) return **answer;
  return Error{.code = "test", .message = "never answered", .retryable = false, .source = ""};
}

inline Result<void> ask_remove(net::Loop& loop, Store& store, const std::string& circuit) {
  auto answer = std::make_shared<std::optional<Result<void>>>();
  store.remove(circuit, [answer](Result<void> result) { *answer = std::move(result); });
  EXPECT_TRUE(loop.run_until([&] { return answer->has_value(); }, 20s)) << "never answered";
  if (answer->has_value()) return **answer;
  return Error{.code = "test", .message = "never answered", .retryable = false, .source = ""};
}

}  // namespace switchgear::stores
