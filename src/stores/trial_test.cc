// The behaviours find stores that are wrong, and come to an end on stores that fail.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "stores/behaviours.h"
#include "stores/memory_store.h"

namespace switchgear::stores {
namespace {

using namespace fleet;

// A store in memory whose answers are changed on their way.
class ChangedStore final : public Store {
 public:
  using Change = std::function<void(const Operation&, Result<Answer>&)>;
  ChangedStore(net::Loop& loop, Change change)
      : store_(loop, [] { return store_time_ms(1'700'000'000'000); }), change_(std::move(change)) {}
  void execute(const std::string& circuit, const Operation& operation,
               AnswerCallback done) override {
    store_.execute(circuit, operation,
                   [this, operation, done = std::move(done)](Result<Answer> answer) {
                     change_(operation, answer);
                     done(std::move(answer));
                   });
  }
  void read_note(const std::string& circuit, NoteCallback done) override {
    store_.read_note(circuit, unless_reads_fail(std::move(done)));
  }
  void write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                  NoteCallback done) override {
    store_.write_note(circuit, expected, text, unless_reads_fail(std::move(done)));
  }
  void list(NamesCallback done) override { store_.list(std::move(done)); }
  void remove(const std::string& circuit, std::function<void(Result<void>)> done) override {
    store_.remove(circuit, std::move(done));
  }
  std::string backend() const override { return "memory"; }

 private:
  NoteCallback unless_reads_fail(NoteCallback done) {
    return [this, done = std::move(done)](const Result<NoteAnswer>& answer) {
      Result<Answer> read = Answer{};
      change_(ReadOp{}, read);
      if (!read) return done(read.error());
      done(answer);
    };
  }

  MemoryStore store_;
  Change change_;
};

// The names of the behaviours that found a flaw.
std::vector<std::string> found_by(const ChangedStore::Change& change) {
  std::vector<std::string> names;
  for (const Behaviour& behaviour : behaviours()) {
    net::Loop loop;
    net::Waiting waiting(loop);
    Trial trial(waiting, std::make_unique<ChangedStore>(loop, change),
                {.backend = "memory", .advance = [](auto) {}}, "c");
    behaviour.run(trial);
    if (!trial.flaws().empty()) names.push_back(behaviour.name);
  }
  return names;
}

TEST(Trial, FindsAStoreThatGrantsASlotTwice) {
  const auto found = found_by([](const Operation&, Result<Answer>& answer) {
    if (answer->status == Status::taken) answer->status = Status::ok;
  });
  EXPECT_NE(std::ranges::find(found, "DoesNotTakeASlotThatIsHeld"), found.end());
  EXPECT_LT(found.size(), behaviours().size() / 2);
}

TEST(Trial, FindsAStoreThatHidesItsEvidence) {
  const auto found =
      found_by([](const Operation&, Result<Answer>& answer) { answer->snapshot.reports.clear(); });
  EXPECT_NE(std::ranges::find(found, "AddsAReport"), found.end());
}

TEST(Trial, FindsNothingButFlawsInAStoreThatFailsEveryTime) {
  const auto found = found_by([](const Operation&, Result<Answer>& answer) {
    answer = Error{.code = "timeout", .message = "no answer", .retryable = true, .source = "test"};
  });
  EXPECT_EQ(found.size(), behaviours().size() - 2) << "the ones that ask nothing";
}

TEST(Trial, EndsWhenItIsStopped) {
  net::Loop loop;
  net::Waiting waiting(loop, [] { return true; });
  Trial trial(waiting, std::make_unique<MemoryStore>(loop, [] { return StoreTime{}; }),
              {.backend = "memory"}, "c");
  trial.let_pass(std::chrono::hours(1));
  ASSERT_FALSE(trial.flaws().empty());
  EXPECT_NE(trial.flaws()[0].text.find("interrupted"), std::string::npos);
}

}  // namespace
}  // namespace switchgear::stores
