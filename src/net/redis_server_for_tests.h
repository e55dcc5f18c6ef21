// Real servers for tests: a redis-server process of one's own, and peers that are no Redis.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace switchgear::net {

// A descriptor that closes itself.
class TestSocket {
 public:
  explicit TestSocket(int fd = -1) : fd_(fd) {}
  TestSocket(TestSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  TestSocket& operator=(TestSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~TestSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A listening socket on a free port of the loopback, and that port.
inline std::pair<TestSocket, std::uint16_t> listen_on_free_port() {
  TestSocket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (listener.get() < 0 || ::bind(listener.get(), raw, size) != 0 ||
      ::listen(listener.get(), 16) != 0 || ::getsockname(listener.get(), raw, &size) != 0) {
    std::abort();
  }
  return {std::move(listener), ntohs(address.sin_port)};
}

// A port on which nobody listens.
inline std::uint16_t unused_port() { return listen_on_free_port().second; }

// A redis-server process on a free loopback port, without persistence unless the arguments say
// otherwise. Lives as long as the object; dies with the test even if the test crashes.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> arguments = {}) : arguments_(std::move(arguments)) {
    std::string folder = (std::filesystem::temp_directory_path() / "switchgear-redis-XXXXXX");
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    folder_ = folder;
    // Somebody else may take the port between our look and the server's start.
    for (int attempt = 0; attempt < 5 && !running(); ++attempt) {
      port_ = unused_port();
      start();
    }
    EXPECT_TRUE(running()) << "redis-server does not start; is it installed?";
  }
  ~RedisServer() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

  // On the same port as before; returns when it answers.
  void start() {
    std::vector<std::string> words{
        "redis-server", "--port",    std::to_string(port_), "--bind", "127.0.0.1",
        "--save",       "",          "--appendonly",        "no",     "--dir",
        folder_,        "--logfile", folder_ + "/log"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> raw;
    for (std::string& word : words) raw.push_back(word.data());
    raw.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(127);
      ::execvp("redis-server", raw.data());
      ::_exit(127);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!answers_ping()) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return;
      }
      if (std::chrono::steady_clock::now() > end) return stop();
      ::poll(nullptr, 0, 5);
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

 private:
  bool answers_ping() const {
    const TestSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port_);
    const timeval limit{.tv_sec = 1, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return false;
    }
    char answer[8] = {};
    return ::send(socket.get(), "PING\r\n", 6, MSG_NOSIGNAL) == 6 &&
           ::recv(socket.get(), answer, sizeof answer, 0) > 1 &&
           (answer[0] == '+' || std::string_view(answer, 7) == "-NOAUTH");
  }

  const std::vector<std::string> arguments_;
  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

// A peer that is not Redis: accepts connections, reads what comes, and after the first bytes of
// each sends the given answer; an empty one: it never answers. Then it closes the connection or
// keeps it open.
class StrangePeer {
 public:
  enum class Then : unsigned char { keeps_open, closes };
  explicit StrangePeer(std::string answer, Then then = Then::keeps_open)
      : answer_(std::move(answer)), then_(then) {
    auto [listener, port] = listen_on_free_port();
    listener_ = std::move(listener);
    port_ = port;
    thread_ = std::thread([this] { serve(); });
  }
  ~StrangePeer() {
    stopping_ = true;
    thread_.join();
  }
  StrangePeer(const StrangePeer&) = delete;
  StrangePeer& operator=(const StrangePeer&) = delete;
  std::uint16_t port() const { return port_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void serve() {
    std::vector<TestSocket> peers;
    std::vector<bool> answered;
    while (!stopping_) {
      std::vector<pollfd> ready{{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
      for (const TestSocket& peer : peers) {
        ready.push_back({.fd = peer.get(), .events = POLLIN, .revents = 0});
      }
      ::poll(ready.data(), ready.size(), 10);
      for (std::size_t i = peers.size(); i-- > 0;) {
        if ((ready[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
        char input[4096];
        const bool ended = ::recv(peers[i].get(), input, sizeof input, 0) <= 0;
        if (!ended && !answered[i] && !answer_.empty()) {
          [[maybe_unused]] const auto sent =
              ::send(peers[i].get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
        }
        answered[i] = true;
        if (ended || then_ == Then::closes) {
          peers.erase(peers.begin() + static_cast<std::ptrdiff_t>(i));
          answered.erase(answered.begin() + static_cast<std::ptrdiff_t>(i));
        }
      }
      if ((ready[0].revents & POLLIN) != 0) {
        peers.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        answered.push_back(false);
        ++connections_;
      }
    }
  }

  const std::string answer_;
  const Then then_;
  TestSocket listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace switchgear::net
