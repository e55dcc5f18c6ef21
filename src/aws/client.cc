#include "aws/client.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <charconv>
#include <set>
#include <utility>

#include "aws/error.h"
#include "aws/retry_quota.h"
#include "aws/sigv4.h"
#include "core/assert.h"
#include "core/backoff.h"
#include "net/clocks.h"

namespace switchgear::aws {
namespace {

// Services accept a signature up to 5 minutes off; a difference below this is not the reason of a
// refusal.
constexpr Duration kSkewMin = 4min;

struct Call {
  ServiceCall what;
  AwsClient::Callback callback;  // empty: ended
  std::string invocation_id;
  int attempt = 0;
  int tokens_taken = 0;  // for the attempt under way
  bool clock_was_set = false;
  CredentialsPtr signed_by;
  bool credentials_were_renewed = false;
  net::CallHandle http;
  net::Timer pause;             // before the next attempt, or before the end
  net::Timer credentials_late;  // while it waits for them
  bool in_flight = false;
};

// What a service may ask for beyond our own pause.
constexpr Duration kRetryAfterMax = 5s;

// How long the service asks us to wait; 0: it does not.
Duration retry_after(const net::HttpResponse& response) {
  const auto text = response.headers.get("x-amz-retry-after");
  int ms = 0;
  if (!text) return {};
  const auto [end, bad] = std::from_chars(text->data(), text->data() + text->size(), ms);
  const bool number = bad == std::errc() && end == text->data() + text->size() && ms >= 0;
  return number ? Duration(std::chrono::milliseconds(ms)) : Duration{};
}

Duration magnitude(Duration d) { return d < 0s ? -d : d; }

// The form of a UUID version 4.
std::string invocation_id(core::Random& random) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (char& c : id) {
    if (c == 'x') c = kHex[random.below(16)];
  }
  return id;
}

// Whether the body is what the service sent, as far as it said (DynamoDB does: x-amz-crc32).
bool is_intact(const net::HttpResponse& response) {
  const auto text = response.headers.get("x-amz-crc32");
  std::uint32_t claimed = 0;
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), claimed).ec != std::errc())
    return true;
  boost::crc_32_type crc;
  crc.process_bytes(response.body.data(), response.body.size());
  return crc.checksum() == claimed;
}

}  // namespace

class AwsClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(net::Loop& loop, net::HttpClient& http, Endpoint endpoint,
       std::shared_ptr<CredentialsProvider> credentials, core::Random random,
       AwsClientOptions options)
      : loop_(loop),
        http_(http),
        endpoint_(std::move(endpoint)),
        credentials_(std::move(credentials)),
        random_(random),
        options_(std::move(options)) {
    SG_ASSERT(options_.attempts_max >= 1);
  }

  net::CallHandle call(ServiceCall what, Callback callback) {
    auto call = std::make_shared<Call>();
    SG_ASSERT(what.attempts_max.value_or(1) >= 1);
    call->what = std::move(what);
    call->callback = std::move(callback);
    call->invocation_id = invocation_id(random_);
    calls_.insert(call);
    attempt(call);
    return net::CallHandle([self = weak_from_this(), weak = std::weak_ptr(call)] {
      const auto impl = self.lock();
      const auto held = weak.lock();
      if (impl && held) impl->cancel(held);
    });
  }

  void shut_down() {
    const auto calls = std::exchange(calls_, {});
    for (const auto& call : calls) {
      call->pause.cancel();
      call->credentials_late.cancel();
      call->callback = nullptr;
      call->http.cancel();
    }
  }

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  WallTime wall_clock() const {
    return options_.wall_clock ? options_.wall_clock() : net::read_clocks().wall;
  }

  int attempts_max(const Call& call) const {
    return call.what.attempts_max.value_or(options_.attempts_max);
  }

  net::HttpRequest signed_request(const Call& call) const {
    net::HttpRequest request{
        .method = call.what.method, .target = call.what.path, .headers = call.what.headers};
    request.headers.set("Host", endpoint_.url.authority());
    if (!call.what.content_type.empty()) {
      request.headers.set("Content-Type", call.what.content_type);
    }
    if (!call.what.target.empty()) request.headers.set("X-Amz-Target", call.what.target);
    request.headers.set("amz-sdk-invocation-id", call.invocation_id);
    request.headers.set("amz-sdk-request", "attempt=" + std::to_string(call.attempt) +
                                               "; max=" + std::to_string(attempts_max(call)));
    request.body = call.what.body;
    if (!call.signed_by) return request;
    const Signature signature =
        sign(request, *call.signed_by, {.region = endpoint_.region, .service = endpoint_.service},
             wall_clock() + clock_offset_);
    for (const auto& [name, value] : signature.headers) request.headers.set(name, value);
    return request;
  }

  void attempt(const std::shared_ptr<Call>& call) {
    ++call->attempt;
    call->signed_by = nullptr;
    if (!credentials_) return send(call);
    // The provider may keep this for longer than the loop lives, on which the call's timers are.
    credentials_->get(
        [self = weak_from_this(), held = std::weak_ptr(call)](Result<CredentialsPtr> credentials) {
          const auto impl = self.lock();
          const auto call = held.lock();
          // Cancelled, or given up waiting.
          if (!impl || !call || !call->callback || call->pause.pending()) return;
          call->credentials_late.cancel();
          if (!credentials) {
            impl->finish_soon(call, std::move(credentials).error());
            return;
          }
          call->signed_by = *std::move(credentials);
          impl->send(call);
        });
    if (call->signed_by || !call->callback || call->pause.pending()) return;
    call->credentials_late =
        loop_.call_after(options_.credentials_timeout, [this, weak = std::weak_ptr(call)] {
          const auto limit = floor_ms(options_.credentials_timeout);
          if (const auto held = weak.lock()) {
            finish(held, credentials_error("still waiting for AWS credentials after " +
                                               std::to_string(limit.count()) +
                                               " ms: " + credentials_->name(),
                                           true, endpoint_.service));
          }
        });
  }

  void send(const std::shared_ptr<Call>& call) {
    call->in_flight = true;
    // The loss of a kept connection is made up for where it would be retried in any case. Whoever
    // wants one attempt knows what it means that the request may have been carried out.
    call->http =
        http_.send(endpoint_.url, signed_request(*call),
                   {.timeout = call->what.attempt_timeout, .idempotent = attempts_max(*call) > 1},
                   [self = weak_from_this(), call](Result<net::HttpResponse> result) {
                     if (const auto impl = self.lock()) impl->answered(call, std::move(result));
                   });
  }

  void answered(const std::shared_ptr<Call>& call, Result<net::HttpResponse> result) {
    if (!call->callback) return;
    call->in_flight = false;
    if (!result) {
      if (result.error().retryable && try_again(call, false)) return;
      finish(call, std::move(result).error());
      return;
    }
    if (!is_intact(*result)) {
      if (try_again(call, false)) return;
      finish(call, Error{.code = "corrupt",
                         .message = "the answer does not match its checksum (x-amz-crc32)",
                         .retryable = true,
                         .source = endpoint_.service});
      return;
    }
    if (result->status >= 200 && result->status < 300) {
      succeed(call, *std::move(result), false);
      return;
    }
    ServiceError refusal = read_error(*result, endpoint_.service);
    if (!call->what.accepted_code.empty() && refusal.error.code == call->what.accepted_code) {
      succeed(call, *std::move(result), true);
      return;
    }
    if (refusal.maybe_clock_skew && clock_is_off(*call, *result, refusal.error)) {
      call->clock_was_set = true;
      attempt(call);
      return;
    }
    if (refusal.refuses_credentials && call->signed_by && !call->credentials_were_renewed &&
        credentials_->refused(call->signed_by)) {
      call->credentials_were_renewed = true;
      attempt(call);
      return;
    }
    if (refusal.error.retryable && try_again(call, refusal.throttled, retry_after(*result))) {
      return;
    }
    finish(call, std::move(refusal.error));
  }

  void succeed(const std::shared_ptr<Call>& call, net::HttpResponse response, bool refused) {
    quota_.succeeded(call->tokens_taken);
    finish(call, Answer{.body = std::move(response.body),
                        .refused = refused,
                        .date = parse_http_date(response.headers.get("Date").value_or("")),
                        .status = response.status,
                        .headers = std::move(response.headers)});
  }

  // Compares our clock with the answer's Date. Notes a great difference in the error; sets the
  // offset for signatures and answers true if there is another attempt to use it.
  bool clock_is_off(const Call& call, const net::HttpResponse& response, Error& error) {
    const auto theirs = parse_http_date(response.headers.get("Date").value_or(""));
    if (!theirs) return false;
    const Duration offset = *theirs - wall_clock();
    if (magnitude(offset) >= kSkewMin) {
      const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(magnitude(offset));
      error.message += "; this machine's clock is " + std::to_string(minutes.count()) +
                       " minutes " + (offset > 0s ? "behind" : "ahead of") +
                       " the clock of AWS: set it, for example by NTP";
    }
    if (call.clock_was_set || magnitude(offset - clock_offset_) < kSkewMin) return false;
    // For the next call, if this one has no attempt left.
    clock_offset_ = offset;
    return call.attempt < attempts_max(call);
  }

  bool try_again(const std::shared_ptr<Call>& call, bool throttled, Duration asked = {}) {
    if (call->attempt >= attempts_max(*call)) return false;
    const int taken = quota_.take(throttled);
    if (taken == 0) return false;
    call->tokens_taken = taken;
    const Duration own =
        core::delay({.base = throttled ? options_.throttling_base : options_.backoff_base,
                     .cap = options_.backoff_cap,
                     .jitter = core::Jitter::full},
                    static_cast<std::uint64_t>(call->attempt), random_);
    const Duration pause = std::max(own, std::min(asked, own + kRetryAfterMax));
    call->pause = loop_.call_after(pause, [this, weak = std::weak_ptr(call)] {
      if (const auto held = weak.lock()) attempt(held);
    });
    return true;
  }

  void cancel(const std::shared_ptr<Call>& call) {
    if (!call->callback) return;
    if (call->in_flight) {
      call->http.cancel();
      return;
    }
    finish_soon(call, Error{.code = "cancelled",
                            .message = "the caller gave up",
                            .retryable = false,
                            .source = endpoint_.service});
  }

  void finish_soon(const std::shared_ptr<Call>& call, Error error) {
    call->credentials_late.cancel();
    call->pause =
        loop_.call_after(0s, [this, weak = std::weak_ptr(call), error = std::move(error)] {
          if (const auto held = weak.lock()) finish(held, error);
        });
  }

  void finish(const std::shared_ptr<Call>& call, Result<Answer> result) {
    call->credentials_late.cancel();
    calls_.erase(call);
    // The last thing done: the callback may destroy the client.
    if (const Callback callback = std::exchange(call->callback, nullptr)) {
      callback(std::move(result));
    }
  }

  net::Loop& loop_;
  net::HttpClient& http_;
  const Endpoint endpoint_;
  const std::shared_ptr<CredentialsProvider> credentials_;
  core::Random random_;
  const AwsClientOptions options_;
  RetryQuota quota_;
  Duration clock_offset_{0};
  std::set<std::shared_ptr<Call>> calls_;
};

AwsClient::AwsClient(net::Loop& loop, net::HttpClient& http, Endpoint endpoint,
                     std::shared_ptr<CredentialsProvider> credentials, core::Random random,
                     AwsClientOptions options)
    : impl_(std::make_shared<Impl>(loop, http, std::move(endpoint), std::move(credentials), random,
                                   std::move(options))) {}
AwsClient::~AwsClient() { impl_->shut_down(); }

net::CallHandle AwsClient::call(ServiceCall call, Callback callback) {
  return impl_->call(std::move(call), std::move(callback));
}

const Endpoint& AwsClient::endpoint() const { return impl_->endpoint(); }

}  // namespace switchgear::aws
