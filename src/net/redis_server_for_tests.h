// Real servers for tests: a redis-server process of one's own, and peers that are no Redis.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/server_process_for_tests.h"

namespace switchgear::net {

// A redis-server process, without persistence unless the arguments say otherwise.
class RedisServer final : public ServerProcess {
 public:
  explicit RedisServer(std::vector<std::string> arguments = {})
      : ServerProcess("redis"), arguments_(std::move(arguments)) {
    start_on_a_free_port();
    EXPECT_TRUE(running()) << "redis-server does not start; is it installed?\n" << log();
  }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port()); }

 private:
  std::vector<std::string> command_line() const override {
    std::vector<std::string> words{
        "redis-server", "--port", std::to_string(port()), "--bind", "127.0.0.1",
        "--save",       "",       "--appendonly",         "no",     "--dir",
        folder()};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    return words;
  }
  bool answers() const override {
    const std::string answer = first_bytes_of_answer(port(), "PING\r\n", 7);
    return answer.starts_with('+') || answer == "-NOAUTH";
  }

  const std::vector<std::string> arguments_;
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
