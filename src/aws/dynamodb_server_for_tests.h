// Real servers that speak DynamoDB, as processes of a test's own. scripts/peers.sh installs them.
//
// What each does otherwise than AWS:
//   ministack  (1.4.21) gives a scan in one page, however long; removes what has expired once a
//              minute.
//   dynalite   (4.0.0) never returns the old item of a failed condition. Knows no UpdateTimeToLive
//              (UnknownOperationException) and no transactions. Closes a connection that was
//              unused for 5 s.
// Neither throttles, gives stale reads or checks signatures. AWS cuts pages at 1 MB, as dynalite,
// and returns the old item, as MiniStack.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "net/redis_server_for_tests.h"

namespace switchgear::aws {

// The kinds there are, for parametrised suites.
inline const std::vector<std::string>& dynamodb_server_kinds() {
  static const std::vector<std::string> kinds{"ministack", "dynalite"};
  return kinds;
}

// A server on a free loopback port, empty. Lives as long as the object; dies with the test even if
// the test crashes. A server that does not start fails the test.
class DynamoDbServer {
 public:
  explicit DynamoDbServer(std::string kind) : kind_(std::move(kind)) {
    std::string folder = (std::filesystem::temp_directory_path() / "switchgear-dynamodb-XXXXXX");
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    folder_ = folder;
    // Somebody else may take the port between our look and the server's start.
    for (int attempt = 0; attempt < 3 && !running(); ++attempt) {
      port_ = net::unused_port();
      start();
    }
    EXPECT_TRUE(running()) << kind_ << " does not start; install the test peers with "
                           << "scripts/peers.sh\n"
                           << log();
  }
  ~DynamoDbServer() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  DynamoDbServer(const DynamoDbServer&) = delete;
  DynamoDbServer& operator=(const DynamoDbServer&) = delete;

  // One server of that kind for the whole program, started by the first who asks: starting takes
  // a second or two. Tests that share it take tables of their own.
  static DynamoDbServer& shared(const std::string& kind) {
    static std::map<std::string, std::unique_ptr<DynamoDbServer>> servers;
    auto& server = servers[kind];
    if (!server) server = std::make_unique<DynamoDbServer>(kind);
    return *server;
  }

  const std::string& kind() const { return kind_; }
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  bool returns_item_of_failed_condition() const { return kind_ != "dynalite"; }
  bool knows_time_to_live() const { return kind_ != "dynalite"; }
  bool cuts_pages() const { return kind_ == "dynalite"; }

  // On the same port as before, without any table; returns when it answers.
  void start() {
    std::vector<std::string> words = command_line();
    std::vector<char*> raw;
    for (std::string& word : words) raw.push_back(word.data());
    raw.push_back(nullptr);
    const std::string log_file = folder_ + "/log";
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent || ::chdir(folder_.c_str()) != 0) ::_exit(127);
      const int log = ::open(log_file.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
      if (log < 0) ::_exit(127);
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      for (const char* name : {"AWS_ENDPOINT_URL", "PYTHONPATH", "PYTHONHOME", "NODE_OPTIONS"}) {
        ::unsetenv(name);
      }
      ::setenv("LOG_LEVEL", "WARNING", 1);
      ::setenv("IOT_MTLS_ENABLED", "0", 1);  // or it listens on every address
      ::setenv("BIND_HOST", "127.0.0.1", 1);
      ::setenv("GATEWAY_PORT", std::to_string(port_).c_str(), 1);
      ::setenv("AWS_ENDPOINT_URL", url().c_str(), 1);
      ::execv(raw[0], raw.data());
      ::_exit(127);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!answers()) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return;
      }
      if (std::chrono::steady_clock::now() > end) return stop();
      ::poll(nullptr, 0, 10);
    }
  }

  // At once, as by a crash.
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  // Standing still, connections open.
  void freeze() { ::kill(pid_, SIGSTOP); }
  void thaw() { ::kill(pid_, SIGCONT); }

  // What the server has written.
  std::string log() const {
    std::ifstream file(folder_ + "/log");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

 private:
  // $SWITCHGEAR_CACHE, or .cache in the nearest folder above the program that has one: what
  // scripts/peers.sh prints.
  static std::filesystem::path cache() {
    namespace fs = std::filesystem;
    if (const char* set = std::getenv("SWITCHGEAR_CACHE"); set != nullptr && *set != '\0') {
      return fs::absolute(set);
    }
    std::error_code none;
    fs::path folder = fs::read_symlink("/proc/self/exe", none).parent_path();
    while (folder.has_relative_path() && !fs::exists(folder / ".cache", none)) {
      folder = folder.parent_path();
    }
    return folder / ".cache";
  }

  std::vector<std::string> command_line() const {
    const std::string port = std::to_string(port_);
    if (kind_ == "dynalite") {
      return {cache() / "dynalite/node",
              cache() / "dynalite/node_modules/dynalite/cli.js",
              "--host",
              "127.0.0.1",
              "--port",
              port,
              "--createTableMs",
              "0",
              "--deleteTableMs",
              "0",
              "--updateTableMs",
              "0"};
    }
    // Under uvicorn as in tests/peers/peers.py, which says why. uvicorn renews its Date header
    // once a second, so that it may be a second late; here each answer gets the time it is given.
    return {cache() / "py/bin/python", "-c", R"(
import sys, uvicorn
from email.utils import formatdate
from ministack.app import app

async def dated(scope, receive, send):
    async def stamped(message):
        if message["type"] == "http.response.start":
            date = (b"date", formatdate(usegmt=True).encode())
            message = {**message, "headers": [*message.get("headers", []), date]}
        await send(message)
    await app(scope, receive, stamped)

uvicorn.run(dated, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning",
            access_log=False, date_header=False)
)",
            port};
  }

  // Whether it answers an HTTP request, whatever it says.
  bool answers() const {
    const net::TestSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = net::loopback(port_);
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return false;
    }
    constexpr std::string_view kRequest =
        "GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    char answer[9] = {};
    return ::send(socket.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(kRequest.size()) &&
           ::recv(socket.get(), answer, sizeof answer, MSG_WAITALL) == sizeof answer &&
           std::string_view(answer, sizeof answer) == "HTTP/1.1 ";
  }

  const std::string kind_;
  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace switchgear::aws
