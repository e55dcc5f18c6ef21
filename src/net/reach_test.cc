#include "net/reach.h"

#include <gtest/gtest.h>

#include "net/redis_server_for_tests.h"
#include "net/waiting.h"

namespace switchgear::net {
namespace {

Result<std::string> reached(const std::string& host, std::uint16_t port, Duration limit = 10s) {
  Loop loop;
  return Waiting(loop).wait_for<std::string>(
      host, [&](auto done) { reach(loop, host, port, limit, std::move(done)); });
}

TEST(Reach, AnswersTheAddressThatListens) {
  const StrangePeer peer("");
  const auto address = reached("localhost", peer.port());
  ASSERT_TRUE(address) << address.error().text();
  EXPECT_EQ(*address, "127.0.0.1:" + std::to_string(peer.port()));
}

TEST(Reach, TellsAnUnknownHostFromAClosedPort) {
  const auto unknown = reached("no-such-host.invalid", 6379);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "dns");
  std::uint16_t port = 0;
  {
    const StrangePeer peer("");
    port = peer.port();
  }
  const auto closed = reached("127.0.0.1", port);
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, "refused");
}

TEST(Reach, GivesUpInTime) {
  // One that has been set aside for documentation; nobody answers there.
  const auto late = reached("192.0.2.1", 6379, 20ms);
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().code == "timeout" || late.error().code == "connect")
      << late.error().text() << ", as a machine without a network says at once";
}

}  // namespace
}  // namespace switchgear::net
