#include "net/http_client.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "net/clocks.h"
#include "net/http_connection.h"

namespace switchgear::net {
namespace {

struct Pool;

// One send(). Lives until its callback has been taken.
struct Call {
  std::shared_ptr<const HttpRequest> request;
  HttpCallOptions options;
  HttpClient::Callback callback;  // empty: ended
  Timer deadline;
  std::string source;
  std::weak_ptr<Pool> pool;
  std::shared_ptr<HttpConnection> connection;  // while it has one
  bool second_try = false;
};

// A timer later than this was not late by the work of a busy loop.
constexpr Duration kStandstill = 50ms;

struct Idle {
  std::shared_ptr<HttpConnection> connection;
  MonoTime since;
};

// The connections to one endpoint and the calls that wait for one.
struct Pool {
  std::string key;
  Url endpoint;
  std::set<std::shared_ptr<HttpConnection>> busy;
  std::vector<Idle> idle;  // the one used last is last, and used first
  std::deque<std::shared_ptr<Call>> waiting;
};

std::string invalid_reason(const Url& endpoint, const HttpRequest& request) {
  if (endpoint.scheme != "http" && endpoint.scheme != "https") {
    return "the scheme of " + endpoint.text() + " is neither http nor https";
  }
  if (!is_method(request.method)) return "the method is not a word";
  if (!is_target(request.target)) {
    return "the target has a space, control or non-ASCII character; percent-encode it";
  }
  for (const auto& [name, value] : request.headers) {
    if (!is_header_name(name)) return "a header's name is not a token";
    if (!is_header_value(value)) return "the header " + name + " has a control character";
  }
  return {};
}

}  // namespace

class HttpClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, HttpClientOptions options) : loop_(loop), options_(std::move(options)) {}

  CallHandle send(const Url& endpoint, HttpRequest request, HttpCallOptions options,
                  Callback callback) {
    auto call = std::make_shared<Call>();
    call->options = options;
    call->callback = std::move(callback);
    call->source = endpoint.scheme + "://" + endpoint.authority();
    calls_.insert(call);
    CallHandle handle([self = weak_from_this(), weak = std::weak_ptr(call)] {
      const auto impl = self.lock();
      const auto held = weak.lock();
      if (impl && held) impl->end_soon(held, "cancelled", "the caller gave up", false);
    });

    const std::string reason = invalid_reason(endpoint, request);
    if (!reason.empty()) {
      end_soon(call, "invalid_request", reason, false);
      return handle;
    }
    const auto pool = pool_of(endpoint);
    if (pool->waiting.size() >= options_.waiting_max) {
      end_soon(call, "busy", std::to_string(pool->waiting.size()) + " calls wait for a connection",
               true);
      return handle;
    }
    call->request = std::make_shared<const HttpRequest>(std::move(request));
    call->pool = pool;
    wait_for_answer(call, options.timeout);
    pool->waiting.push_back(call);
    pump(pool);
    return handle;
  }

  // Nothing is called any more.
  void shut_down() {
    for (const auto& [key, pool] : pools_) {
      for (const auto& connection : pool->busy) connection->close();
      for (const Idle& idle : pool->idle) idle.connection->close();
    }
    sweep_.cancel();
    for (const auto& call : calls_) call->deadline.cancel();
    // Callbacks may own whatever refers to this client; let them go last.
    const auto calls = std::exchange(calls_, {});
    const auto pools = std::exchange(pools_, {});
    for (const auto& call : calls) call->callback = nullptr;
  }

  std::size_t connections() const {
    std::size_t n = 0;
    for (const auto& [key, pool] : pools_) n += pool->busy.size() + pool->idle.size();
    return n;
  }

  std::size_t waiting() const {
    std::size_t n = 0;
    for (const auto& [key, pool] : pools_) n += pool->waiting.size();
    return n;
  }

 private:
  // A deadline seen late is no verdict on the peer: this process stood still, and so perhaps did
  // the answer on its way to it. It is given as much time once more, and at most the time-out.
  void wait_for_answer(const std::shared_ptr<Call>& call, Duration delay, bool again = false) {
    const MonoTime due = read_clocks().mono + delay;
    call->deadline = loop_.call_after(delay, [this, due, again, weak = std::weak_ptr(call)] {
      const auto held = weak.lock();
      if (!held) return;
      const Duration late = read_clocks().mono - due;
      if (!again && late > kStandstill) {
        return wait_for_answer(held, std::min(late, held->options.timeout), true);
      }
      const auto limit =
          std::chrono::duration_cast<std::chrono::milliseconds>(held->options.timeout);
      const bool queued = !held->connection;
      end(held, "timeout",
          "no answer within " + std::to_string(limit.count()) + " ms" +
              (queued ? " (all of that waiting for a connection)" : ""),
          true);
    });
  }

  std::shared_ptr<Pool> pool_of(const Url& endpoint) {
    std::string key = endpoint.scheme + "://" + endpoint.host_port();
    auto& pool = pools_[key];
    if (!pool) {
      pool = std::make_shared<Pool>();
      pool->key = std::move(key);
      pool->endpoint = endpoint;
    }
    return pool;
  }

  // Gives connections to calls that wait.
  void pump(const std::shared_ptr<Pool>& pool) {
    while (!pool->waiting.empty()) {
      const auto call = pool->waiting.front();
      std::shared_ptr<HttpConnection> connection = take_idle(*pool, *call);
      const bool kept = connection != nullptr;
      if (!kept) {
        if (pool->busy.size() + pool->idle.size() >= options_.connections_max) {
          // A second try needs a new connection; an idle one makes room for it.
          if (pool->idle.empty()) return;
          pool->idle.front().connection->close();
          pool->idle.erase(pool->idle.begin());
        }
        connection = make_http_connection(loop_, pool->endpoint, options_);
      }
      pool->waiting.pop_front();
      pool->busy.insert(connection);
      call->connection = connection;
      connection->exchange(call->request,
                           [this, pool, call, kept, raw = connection.get()](ExchangeResult result) {
                             exchanged(pool, call, raw, kept, std::move(result));
                           });
    }
    if (pool->busy.empty() && pool->idle.empty()) pools_.erase(pool->key);
  }

  std::shared_ptr<HttpConnection> take_idle(Pool& pool, const Call& call) {
    if (call.second_try) return nullptr;
    while (!pool.idle.empty()) {
      const auto connection = pool.idle.back().connection;
      pool.idle.pop_back();
      if (connection->fresh()) return connection;
      connection->close();
    }
    return nullptr;
  }

  void exchanged(const std::shared_ptr<Pool>& pool, const std::shared_ptr<Call>& call,
                 HttpConnection* raw, bool kept, ExchangeResult result) {
    const auto connection = std::exchange(call->connection, nullptr);
    pool->busy.erase(connection);
    if (result.reusable && raw->fresh()) {
      pool->idle.push_back({connection, read_clocks().mono});
      sweep_later();
    } else {
      connection->close();
    }
    const bool again = kept && !call->second_try && result.closed_before_response &&
                       (call->options.idempotent || result.nothing_sent);
    if (again) {
      call->second_try = true;
      pool->waiting.push_front(call);
      pump(pool);
      return;
    }
    pump(pool);
    finish(call, std::move(result.response));
  }

  // Ends a call from outside its exchange; its connection, in an unknown state, goes with it.
  void end(const std::shared_ptr<Call>& call, std::string code, std::string message,
           bool retryable) {
    if (!call->callback) return;
    if (const auto pool = call->pool.lock()) {
      if (const auto connection = std::exchange(call->connection, nullptr)) {
        connection->close();
        pool->busy.erase(connection);
      } else {
        std::erase(pool->waiting, call);
      }
      pump(pool);
    }
    finish(call, Error{.code = std::move(code),
                       .message = std::move(message),
                       .retryable = retryable,
                       .source = call->source});
  }

  void end_soon(const std::shared_ptr<Call>& call, std::string code, std::string message,
                bool retryable) {
    loop_.post([self = weak_from_this(), call, code = std::move(code), message = std::move(message),
                retryable] {
      if (const auto impl = self.lock()) impl->end(call, code, message, retryable);
    });
  }

  void finish(const std::shared_ptr<Call>& call, Result<HttpResponse> result) {
    call->deadline.cancel();
    calls_.erase(call);
    // The last thing done: the callback may destroy the client.
    if (const Callback callback = std::exchange(call->callback, nullptr)) {
      callback(std::move(result));
    }
  }

  // Closes connections that have been idle for too long or were closed by the peer.
  void sweep_later() {
    if (sweep_.pending()) return;
    sweep_ = loop_.call_after(options_.idle_timeout, [this] {
      const MonoTime old = read_clocks().mono - options_.idle_timeout;
      bool left = false;
      for (auto it = pools_.begin(); it != pools_.end();) {
        Pool& pool = *it->second;
        std::erase_if(pool.idle, [&](const Idle& idle) {
          const bool drop = idle.since <= old || !idle.connection->fresh();
          if (drop) idle.connection->close();
          return drop;
        });
        left = left || !pool.idle.empty();
        const bool unused = pool.idle.empty() && pool.busy.empty() && pool.waiting.empty();
        it = unused ? pools_.erase(it) : std::next(it);
      }
      if (left) sweep_later();
    });
  }

  Loop& loop_;
  const HttpClientOptions options_;
  std::map<std::string, std::shared_ptr<Pool>> pools_;
  std::set<std::shared_ptr<Call>> calls_;
  Timer sweep_;
};

HttpClient::HttpClient(Loop& loop, HttpClientOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(options))) {}

HttpClient::~HttpClient() { impl_->shut_down(); }

CallHandle HttpClient::send(const Url& endpoint, HttpRequest request, HttpCallOptions options,
                            Callback callback) {
  return impl_->send(endpoint, std::move(request), options, std::move(callback));
}

std::size_t HttpClient::connections() const { return impl_->connections(); }
std::size_t HttpClient::waiting() const { return impl_->waiting(); }

}  // namespace switchgear::net
