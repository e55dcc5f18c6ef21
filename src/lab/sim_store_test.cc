// Notes go the same unreliable way as operations.
#include "lab/sim_store.h"

#include <gtest/gtest.h>

#include <optional>

namespace switchgear::lab {
namespace {

class SimStoreNotes : public ::testing::Test {
 protected:
  SimStore::NoteReply read() {
    return reply([&](auto done) { store_.read_note(0, std::move(done)); });
  }
  SimStore::NoteReply write(std::uint64_t expected, const std::string& text) {
    return reply([&](auto done) { store_.write_note(0, expected, text, std::move(done)); });
  }

  Scheduler scheduler_;
  core::Random random_{1};
  SimStore store_{scheduler_, random_};

 private:
  template <class Ask>
  SimStore::NoteReply reply(const Ask& ask) {
    std::optional<SimStore::NoteReply> got;
    ask([&](const SimStore::NoteReply& answer) {
      EXPECT_FALSE(got) << "answered twice";
      got = answer;
    });
    EXPECT_FALSE(got) << "answered from inside the call";
    scheduler_.run_until(scheduler_.now() + 10s);
    EXPECT_TRUE(got);
    return got.value_or(tl::unexpected(fleet::NoAnswer::lost));
  }
};

TEST_F(SimStoreNotes, AreReplacedByCompareAndSet) {
  EXPECT_TRUE(write(0, "one")->written);
  EXPECT_FALSE(write(0, "two")->written);
  EXPECT_EQ(read()->note.text, "one");
  EXPECT_GT(read()->note.time, StoreTime{});
}

TEST_F(SimStoreNotes, AreWrittenThoughTheReplyIsLostAndKnownWhenRepeated) {
  store_.network.lost_reply = 1;
  EXPECT_EQ(write(0, "one").error(), fleet::NoAnswer::lost);
  store_.network.lost_reply = 0;
  EXPECT_TRUE(write(0, "one")->written);
  EXPECT_EQ(read()->note.revision, 1);
}

TEST_F(SimStoreNotes, CannotBeAskedForWhereTheStoreIsOut) {
  store_.network.down = true;
  EXPECT_EQ(read().error(), fleet::NoAnswer::lost);
  store_.network.down = false;
  store_.network.throttled = 1;
  EXPECT_EQ(write(0, "one").error(), fleet::NoAnswer::throttled);
}

TEST_F(SimStoreNotes, AreNeverReadFromThePastButLostByAFailover) {
  store_.keep_history(60s);
  store_.network.stale_reads = 1;
  ASSERT_TRUE(write(0, "one"));
  ASSERT_TRUE(write(1, "two"));
  EXPECT_EQ(read()->note.text, "two");
  store_.fail_over(25s);  // each of the three took ten seconds
  EXPECT_EQ(read()->note.text, "one");
}

}  // namespace
}  // namespace switchgear::lab
