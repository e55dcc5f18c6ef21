// What tests need to run a real server as a process of their own: sockets, free ports, the process.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
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

inline bool accepts_connections(std::uint16_t port) {
  const TestSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// The first bytes of what a server on the loopback answers to a request; "" if it answers nothing.
inline std::string first_bytes_of_answer(std::uint16_t port, std::string_view request,
                                         std::size_t bytes) {
  const TestSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size())) {
    return {};
  }
  std::string answer(bytes, '\0');
  const ssize_t got = ::recv(socket.get(), answer.data(), bytes, 0);
  answer.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return answer;
}

// A server on a free loopback port, in a folder of its own. Lives as long as the object; dies with
// the test even if the test crashes.
class ServerProcess {
 public:
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }

  // On the same port as before; returns when it answers, or is not running().
  void start() {
    std::vector<std::string> words = command_line();
    std::vector<char*> raw;
    for (std::string& word : words) raw.push_back(word.data());
    raw.push_back(nullptr);
    const auto variables = environment();
    const std::string log_file = folder_ + "/output";
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent || ::chdir(folder_.c_str()) != 0) ::_exit(127);
      const int log = ::open(log_file.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
      if (log < 0) ::_exit(127);
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      for (const auto& [name, value] : variables) {
        value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
      }
      ::execvp(raw[0], raw.data());
      ::_exit(127);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!answers()) {
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

  // What it has written to its standard output and error.
  std::string log() const {
    std::ifstream file(folder_ + "/output");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

 protected:
  explicit ServerProcess(const std::string& name) {
    folder_ = std::filesystem::temp_directory_path() / ("switchgear-" + name + "-XXXXXX");
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
  }
  ~ServerProcess() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  // Somebody else may take the port between our look and the server's start.
  void start_on_a_free_port() {
    for (int attempt = 0; attempt < 5 && !running(); ++attempt) {
      port_ = unused_port();
      start();
    }
  }
  void start_on(std::uint16_t port) {
    port_ = port;
    start();
  }
  const std::string& folder() const { return folder_; }

  virtual std::vector<std::string> command_line() const = 0;
  virtual bool answers() const = 0;
  // Variables to set; an empty value: not to have.
  virtual std::map<std::string, std::string> environment() const { return {}; }

 private:
  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace switchgear::net
