// Real servers for tests: a redis-server process of one's own, and peers that are no Redis.
#pragma once

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/server_process_for_tests.h"
#include "net/tls_files.h"

namespace switchgear::net {

// For a server that speaks TLS on this port. `clients`: "no", "optional" or "yes", whether they
// must show a certificate of the same CA.
inline std::vector<std::string> tls_arguments(const TlsFiles& files, const std::string& clients,
                                              const std::string& port) {
  return {"--tls-port",         port,           "--tls-cert-file",    files.cert_file,
          "--tls-key-file",     files.key_file, "--tls-ca-cert-file", files.ca_file,
          "--tls-auth-clients", clients};
}

// A redis-server process, without persistence unless the arguments say otherwise.
class RedisServer : public ServerProcess {
 public:
  explicit RedisServer(std::vector<std::string> arguments = {},
                       std::string program = "redis-server")
      : RedisServer(std::move(program), std::move(arguments), {}) {}
  virtual ~RedisServer() = default;
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port()); }

 protected:
  // `settings`: the text of a configuration file, if it takes one. "{port}" among the arguments
  // stands for its port.
  RedisServer(std::string program, std::vector<std::string> arguments, const std::string& settings)
      : ServerProcess("redis"), program_(std::move(program)), arguments_(std::move(arguments)) {
    if (!settings.empty()) std::ofstream(folder() + "/server.conf") << settings;
    start_on_a_free_port();
    EXPECT_TRUE(running()) << program_ << " does not start; is it installed?\n" << log();
  }

 private:
  std::vector<std::string> command_line() const override {
    std::vector<std::string> words{program_};
    // A configuration file comes first.
    const std::string settings = folder() + "/server.conf";
    if (std::filesystem::exists(settings)) words.push_back(settings);
    words.insert(words.end(), {"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
                               folder(), "--port", std::to_string(port()),
                               // A replica is in step at once, not after 5 s.
                               "--repl-diskless-sync-delay", "0"});
    for (const std::string& word : arguments_) {
      words.push_back(word == "{port}" ? std::to_string(port()) : word);
    }
    return words;
  }
  // An error is an answer too: a password is missing, or this is TLS, which answers with an alert
  // or by hanging up.
  bool answers() const override {
    const std::string answer = first_bytes_of_answer(port(), "PING\r\n", 7);
    return answer.starts_with('+') || answer == "-NOAUTH" || (tls() && accepts_connections(port()));
  }
  bool tls() const { return std::ranges::find(arguments_, "--tls-port") != arguments_.end(); }

  const std::string program_;
  const std::vector<std::string> arguments_;
};

// The same behind TLS, with this certificate; also as a replica or a primary of such servers.
class RedisTlsServer final : public RedisServer {
 public:
  RedisTlsServer(const TlsFiles& files, const std::string& clients,
                 const std::vector<std::string>& more = {})
      : RedisServer([&] {
          std::vector<std::string> all = tls_arguments(files, clients, "{port}");
          all.insert(all.end(), {"--port", "0", "--tls-replication", "yes"});
          all.insert(all.end(), more.begin(), more.end());
          return all;
        }()) {}
  // Without options.
  std::string url(const std::string& host = "localhost") const {
    return "rediss://" + host + ":" + std::to_string(port());
  }
};

// A Sentinel process that watches a primary under the name "orders", alone or with others. It takes
// the primary for dead after a second.
class SentinelServer final : public RedisServer {
 public:
  explicit SentinelServer(std::uint16_t primary_port, int quorum = 1,
                          const std::string& more_settings = {})
      : RedisServer("redis-server", {"--sentinel"},
                    watching("127.0.0.1", primary_port, quorum) + more_settings) {}
  // By TLS on both sides, and by names: what it watches is at "localhost".
  SentinelServer(std::uint16_t primary_port, const TlsFiles& files, const std::string& clients)
      : RedisServer(
            "redis-server",
            [&] {
              std::vector<std::string> all = tls_arguments(files, clients, "{port}");
              all.insert(all.begin(), {"--sentinel", "--port", "0", "--tls-replication", "yes"});
              return all;
            }(),
            "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n" +
                watching("localhost", primary_port, 1)) {}

 private:
  static std::string watching(const std::string& host, std::uint16_t port, int quorum) {
    return "sentinel monitor orders " + host + " " + std::to_string(port) + " " +
           std::to_string(quorum) +
           "\nsentinel down-after-milliseconds orders 1000\n"
           "sentinel failover-timeout orders 3000\n";
  }
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
