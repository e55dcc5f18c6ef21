#include "net/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/clocks.h"

namespace switchgear::net {
namespace {

// Such programs take a tenth of a second and more, and are run once an hour.
constexpr Duration kLook = 10ms;

Error process_error(const std::string& program, const std::string& what) {
  return {.code = "process",
          .message = "the program '" + program + "' " + what,
          .retryable = true,
          .source = ""};
}

// In a group of its own, which can be killed as a whole, with default signals, and without the
// sockets of this process.
int spawn(const std::vector<std::string>& argv, int output, int& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words = argv;
  std::vector<char*> raw;
  for (std::string& word : words) raw.push_back(word.data());
  raw.push_back(nullptr);
  const int error = ::posix_spawnp(&pid, raw[0], &actions, &attributes, raw.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

ChildProcess::ChildProcess(Loop& loop, const std::vector<std::string>& argv, ProgramOptions options,
                           Callback callback)
    : loop_(loop),
      options_(options),
      callback_(std::move(callback)),
      program_(argv.at(0)),
      deadline_(read_clocks().mono + options.timeout) {
  std::array<int, 2> ends{-1, -1};
  int error = 0;
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    error = errno;
  } else {
    // Only our end: what is not blocking surprises programs.
    ::fcntl(ends[1], F_SETFL, 0);
    error = spawn(argv, ends[1], pid_);
    ::close(ends[1]);
    pipe_ = ends[0];
  }
  if (error == 0) {
    look_again();
    return;
  }
  pid_ = -1;
  timer_ = loop_.call_after(0s, [this, error] {
    finish(process_error(program_, "cannot be started: " + std::string(std::strerror(error))));
  });
}

ChildProcess::~ChildProcess() {
  kill();
  if (pipe_ >= 0) ::close(pipe_);
}

void ChildProcess::look_again() {
  timer_ = loop_.call_after(kLook, [this] { look(); });
}

void ChildProcess::look() {
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  // After the question, so that all that it has printed is there.
  const bool fits = drain();
  if (ended != 0) pid_ = -1;
  if (!fits) {
    finish(process_error(
        program_, "printed more than " + std::to_string(options_.output_bytes_max) + " bytes"));
  } else if (ended != 0) {
    if (ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      finish(std::move(output_));
    } else if (ended > 0 && WIFSIGNALED(status)) {
      finish(process_error(program_, "was ended by signal " + std::to_string(WTERMSIG(status))));
    } else {
      finish(process_error(program_, "ended with " + std::to_string(WEXITSTATUS(status))));
    }
  } else if (read_clocks().mono >= deadline_) {
    finish(process_error(program_, "did not end within " +
                                       std::to_string(floor_ms(options_.timeout).count()) + " ms"));
  } else {
    look_again();
  }
}

// False if it has printed too much.
bool ChildProcess::drain() {
  std::array<char, 4096> bytes;
  for (;;) {
    const ssize_t n = ::read(pipe_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    output_.append(bytes.data(), static_cast<std::size_t>(n));
    if (output_.size() > options_.output_bytes_max) return false;
  }
}

void ChildProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ChildProcess::finish(Result<std::string> result) {
  kill();
  // The last thing done: the callback may destroy the object.
  if (const Callback callback = std::exchange(callback_, nullptr)) callback(std::move(result));
}

}  // namespace switchgear::net
