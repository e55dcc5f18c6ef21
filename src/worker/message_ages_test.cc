#include "worker/message_ages.h"

#include <gtest/gtest.h>

namespace switchgear::worker {
namespace {

struct AgesTest : ::testing::Test {
  static queue::Message message(const std::string& id, Duration sent, int receive = 1) {
    queue::Message message;
    message.id = id;
    message.receipt_handle = id + "/" + std::to_string(receive);
    message.sent = WallTime(sent);
    return message;
  }
  Duration oldest_at(Duration t, bool paused = false) {
    return ages.oldest(Now{.mono = MonoTime(t), .wall = WallTime(t)}, paused);
  }
  MessageAges ages;
};

TEST_F(AgesTest, AreNoneWithoutMessages) { EXPECT_EQ(oldest_at(100s), 0s); }

TEST_F(AgesTest, AreOfTheOldestMessageThatIsNotDone) {
  ages.received(message("a", 10s), MonoTime(1000s));
  ages.received(message("b", 40s), MonoTime(1000s));
  EXPECT_EQ(oldest_at(100s), 90s);
  ages.deleted("a/1");
  EXPECT_EQ(oldest_at(100s), 60s);
  ages.deleted("b/1");
  EXPECT_EQ(oldest_at(100s), 0s);
}

TEST_F(AgesTest, GrowWhileAMessageIsHidden) {
  ages.received(message("a", 10s), MonoTime(30s));
  ages.hidden("a/1", MonoTime(60s));
  EXPECT_EQ(oldest_at(50s), 40s);
  EXPECT_EQ(oldest_at(60s), 0s);  // another worker may have it now
}

TEST_F(AgesTest, GrowOnWhileNothingIsReceived) {
  ages.received(message("a", 10s), MonoTime(30s));
  EXPECT_EQ(oldest_at(500s, true), 490s);
  EXPECT_EQ(oldest_at(501s, false), 0s);
}

TEST_F(AgesTest, CountAMessageOnceThatIsReceivedAgain) {
  ages.received(message("a", 10s), MonoTime(30s));
  ages.received(message("a", 10s, 2), MonoTime(90s));
  ages.deleted("a/1");
  EXPECT_EQ(oldest_at(50s), 40s);
  ages.deleted("a/2");
  EXPECT_EQ(oldest_at(50s), 0s);
}

TEST_F(AgesTest, AreBoundedInMemory) {
  ages.received(message("first", 10s), MonoTime(1000s));
  for (int i = 0; i < 50'000; i++) {
    ages.received(message(std::to_string(i), 20s), MonoTime(1000s));
  }
  EXPECT_EQ(oldest_at(100s), 90s);
}

TEST_F(AgesTest, AreNeverNegative) {
  ages.received(message("from the future", 200s), MonoTime(1000s));
  EXPECT_EQ(oldest_at(100s), 0s);
}

}  // namespace
}  // namespace switchgear::worker
