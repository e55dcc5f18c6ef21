#include "net/reach.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/assert.h"
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

// Takes no more connections: its queue, of one, is full.
class FullListener {
 public:
  FullListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    SG_ASSERT(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    SG_ASSERT(::listen(fd_, 0) == 0);
    SG_ASSERT(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    waiting_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SG_ASSERT(::connect(waiting_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  }
  ~FullListener() {
    ::close(waiting_);
    ::close(fd_);
  }
  std::uint16_t port() const { return port_; }

 private:
  int fd_;
  int waiting_ = -1;
  std::uint16_t port_ = 0;
};

TEST(Reach, GivesUpInTime) {
  const FullListener silent;
  const auto late = reached("127.0.0.1", silent.port(), 20ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, "timeout") << late.error().text();
}

}  // namespace
}  // namespace switchgear::net
