#include "net/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

namespace switchgear::net {
namespace {

using testing::HasSubstr;
using testing::Not;

class ChildProcessTest : public testing::Test {
 protected:
  Result<std::string> run(const std::vector<std::string>& argv, ProgramOptions options = {}) {
    std::optional<Result<std::string>> got;
    ChildProcess process(loop_, argv, options,
                         [&](Result<std::string> result) { got = std::move(result); });
    EXPECT_FALSE(got) << "called from inside the constructor";
    EXPECT_TRUE(loop_.run_until([&] { return got.has_value(); }, 30s));
    return *got;
  }
  std::string error(const std::vector<std::string>& argv, ProgramOptions options = {}) {
    const auto got = run(argv, options);
    return got ? "ok" : got.error().text();
  }
  Loop loop_;
};

TEST_F(ChildProcessTest, GivesWhatAProgramPrints) {
  EXPECT_EQ(run({"printf", "%s", "a $HOME b"}).value(), "a $HOME b");
}

TEST_F(ChildProcessTest, GivesMoreThanAPipeHolds) {
  const auto got = run({"head", "-c", "300000", "/dev/zero"}, {.output_bytes_max = 300000});
  EXPECT_EQ(got.value().size(), 300000u);
}

TEST_F(ChildProcessTest, EndsAProgramThatPrintsTooMuch) {
  EXPECT_THAT(error({"cat", "/dev/zero"}, {.output_bytes_max = 1000}),
              HasSubstr("'cat' printed more than 1000 bytes"));
}

TEST_F(ChildProcessTest, TellsHowAProgramEndedAndNothingItSaid) {
  EXPECT_EQ(error({"sh", "-c", "echo hunter2; echo hunter2 >&2; exit 7"}),
            "process: the program 'sh' ended with 7");
  EXPECT_THAT(error({"sh", "-c", "kill -9 $$"}), HasSubstr("was ended by signal 9"));
  EXPECT_THAT(error({"no-such-program-here"}), HasSubstr("cannot be started: No such file"));
}

TEST_F(ChildProcessTest, EndsAProgramThatHangsWithAllThatItStarted) {
  const auto fifo =
      std::filesystem::temp_directory_path() / ("switchgear-child-" + std::to_string(::getpid()));
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  // Opening a pipe that nobody writes to waits for ever.
  EXPECT_THAT(error({"sh", "-c", "cat " + fifo.string() + " & echo $!; wait"}, {.timeout = 200ms}),
              HasSubstr("'sh' did not end within 200 ms"));
  std::filesystem::remove(fifo);
}

TEST_F(ChildProcessTest, DoesNotWaitForWhatAProgramLeavesBehind) {
  const auto fifo =
      std::filesystem::temp_directory_path() / ("switchgear-left-" + std::to_string(::getpid()));
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  // The one left behind keeps standard output open.
  const auto got = run({"sh", "-c", "cat " + fifo.string() + " & echo $!"}, {.timeout = 10s});
  ASSERT_TRUE(got) << got.error().text();
  ::kill(std::stoi(*got), SIGKILL);
  std::filesystem::remove(fifo);
}

TEST_F(ChildProcessTest, GivesAProgramNothingToReadAndNoDescriptorsOfOurs) {
  EXPECT_EQ(run({"cat"}).value(), "");
  // 0, 1, 2 and the one that ls lists the folder with.
  EXPECT_EQ(run({"sh", "-c", "ls /proc/self/fd | wc -l"}).value(), "4\n");
}

TEST_F(ChildProcessTest, CallsNobodyOnceDestroyed) {
  {
    ChildProcess process(loop_, {"printf", "a"}, {}, [](const Result<std::string>&) { FAIL(); });
  }
  loop_.run_until([] { return false; }, 30ms);
}

}  // namespace
}  // namespace switchgear::net
