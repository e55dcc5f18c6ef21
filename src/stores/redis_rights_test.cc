// The rights that a user of a Redis needs: the documented rule is enough, and no more than that.
// That it is enough for all operations, the store's suite shows ("redis_tls_acl").
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "net/clocks.h"
#include "net/redis_server_for_tests.h"
#include "stores/redis_store.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<std::string> rules() {
  std::istringstream text{std::string(kRedisAclRule)};
  return {std::istream_iterator<std::string>(text), {}};
}

// A server with a user ann of these rules.
std::vector<std::string> with_ann(const std::vector<std::string>& rights) {
  std::vector<std::string> user{"--user", "ann", "on", ">pw", "resetchannels"};
  user.insert(user.end(), rights.begin(), rights.end());
  return user;
}

std::unique_ptr<RedisStore> store_of_ann(net::Loop& loop, const net::RedisServer& server) {
  return std::make_unique<RedisStore>(
      loop, *net::redis_address("redis://ann:pw@127.0.0.1:" + std::to_string(server.port())));
}

TEST(RedisRights, AreThoseOfTheCommandsThatAreSent) {
  const std::set<std::string> ours{"+ping", "+select", "+evalsha",   "+eval",       "+time",
                                   "+del",  "+scan",   "+subscribe", "+unsubscribe"};
  std::set<std::string> expected = ours;
  const RedisScripts& scripts = redis_scripts();
  for (const RedisScript* script : {&scripts.read, &scripts.report, &scripts.claim, &scripts.settle,
                                    &scripts.swap, &scripts.note}) {
    const std::regex call("redis\\.p?call\\('([A-Z]+)'");
    for (std::sregex_iterator it(script->text.begin(), script->text.end(), call), end; it != end;
         ++it) {
      std::string name = (*it)[1];
      std::ranges::transform(name, name.begin(), [](char c) { return char(c - 'A' + 'a'); });
      expected.insert("+" + name);
    }
  }
  std::set<std::string> granted;
  for (const std::string& rule : rules()) {
    if (rule.starts_with('+')) granted.insert(rule);
  }
  EXPECT_EQ(granted, expected);
}

TEST(RedisRights, AreEnoughToHearOfChanges) {
  const net::RedisServer server(with_ann(rules()));
  net::Loop loop;
  const auto store = store_of_ann(loop, server);
  std::string heard;
  store->on_change([&](const std::string& circuit, std::int64_t) { heard = circuit; });
  store->watch("c");
  const MonoTime end = net::read_clocks().mono + 20s;
  for (std::int64_t epoch = 100; heard.empty() && net::read_clocks().mono < end; ++epoch) {
    ASSERT_TRUE(ask_remove(loop, *store, "c"));
    ASSERT_TRUE(ask(loop, *store, "c", create(full_record(epoch, 1))));
    loop.run_until([&] { return !heard.empty(); }, 20ms);
  }
  EXPECT_EQ(heard, "c");
}

TEST(RedisRights, AreNamedWithTheRuleWhereOneIsMissing) {
  std::vector<std::string> fewer = rules();
  std::erase(fewer, "+evalsha");
  const net::RedisServer server(with_ann(fewer));
  net::Loop loop;
  const auto answer = ask(loop, *store_of_ann(loop, server), "c", fleet::ReadOp{});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "auth");
  EXPECT_THAT(answer.error().message,
              AllOf(HasSubstr("may not run the command evalsha"),
                    HasSubstr("ACL SETUSER NAME " + std::string(kRedisAclRule))));
}

TEST(RedisRights, AreNamedWithTheRuleWhereOneIsMissingInAScript) {
  std::vector<std::string> fewer = rules();
  std::erase(fewer, "+pttl");
  for (const auto& [program, what] :
       {std::pair("redis-server", "a command that the script uses"),  // which one, 7.0 keeps back
        std::pair("valkey-server", "the command pttl")}) {
    const net::RedisServer server(with_ann(fewer), program);
    net::Loop loop;
    const auto answer = ask(loop, *store_of_ann(loop, server), "c", fleet::ReadOp{});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "auth") << answer.error().text();
    EXPECT_THAT(answer.error().message,
                AllOf(HasSubstr(std::string("may not run ") + what), HasSubstr("ACL SETUSER")));
  }
}

}  // namespace
}  // namespace switchgear::stores
