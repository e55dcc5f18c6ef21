#include "aws/cached_credentials.h"

#include <algorithm>
#include <utility>

#include "core/backoff.h"
#include "net/clocks.h"

namespace switchgear::aws {
namespace {

// After a fetch that gave nothing new: metadata endpoints give the next credentials only some
// minutes before the old ones end.
constexpr Duration kSameAgainPause = 1min;
// Credentials that have ended by our clock when they come are what there is, and our clock may be
// wrong: they are tried for so long (what botocore calls an extension).
constexpr Duration kExtension = 5min;

bool same(const Credentials& a, const Credentials& b) {
  return a.access_key_id == b.access_key_id && a.secret_access_key == b.secret_access_key &&
         a.session_token == b.session_token && a.expires == b.expires;
}

}  // namespace

CachedCredentials::CachedCredentials(net::Loop& loop, std::unique_ptr<CredentialsSource> source,
                                     core::Random random, CredentialsCacheOptions options)
    : loop_(loop), random_(random), options_(std::move(options)), source_(std::move(source)) {}

WallTime CachedCredentials::now() const {
  return options_.wall_clock ? options_.wall_clock() : net::read_clocks().wall;
}

bool CachedCredentials::serves(WallTime time) const {
  return current_ && !refused_ && (!wait_from_ || time < *wait_from_);
}

bool CachedCredentials::valid(WallTime time) const {
  return current_ && !refused_ && (!end_ || time < *end_);
}

void CachedCredentials::get(Callback callback) {
  const WallTime time = now();
  const bool may_start = !fetching_ && net::read_clocks().mono >= not_before_;
  if (serves(time)) {
    if (refresh_from_ && time >= *refresh_from_ && may_start) start();
    // start() may have replaced them.
    callback(current_);
    return;
  }
  if (!fetching_ && !may_start && (valid(time) || last_error_)) {
    // Somebody asked only just now, to no avail.
    valid(time) ? callback(current_) : callback(*last_error_);
    return;
  }
  waiting_.push_back(std::move(callback));
  if (!fetching_) start();
}

bool CachedCredentials::refused(const CredentialsPtr& credentials) {
  if (credentials != current_ || refused_) return true;  // replaced already, or about to be
  const MonoTime mono = net::read_clocks().mono;
  if (same_again_ && mono < not_before_) return false;
  // Nor do others help where those got after a refusal are refused too: a region that is not
  // switched on knows no keys at all.
  if (renewed_for_refusal_ && mono < *renewed_for_refusal_ + kSameAgainPause) return false;
  renewed_for_refusal_ = mono;
  refused_ = true;
  not_before_ = {};
  last_error_.reset();
  return true;
}

void CachedCredentials::start() {
  fetching_ = true;
  const std::uint64_t fetch = ++fetch_;
  refresh_.cancel();
  timeout_ = loop_.call_after(options_.fetch_timeout, [this] {
    const auto limit = floor_ms(options_.fetch_timeout);
    ended(credentials_error("gave no credentials within " + std::to_string(limit.count()) + " ms",
                            true));
  });
  tell_soon();
  source_->fetch([this, fetch, alive = std::weak_ptr(alive_)](Result<Credentials> result) {
    if (alive.expired() || !fetching_ || fetch != fetch_) return;
    ended(std::move(result));
  });
}

void CachedCredentials::tell_soon() {
  slow_ = loop_.call_after(options_.tell_after, [this] {
    // A fetch beside the calls may take its time.
    if (waiting_.empty()) return tell_soon();
    tell({.kind = CredentialsNews::Kind::awaited, .from = source_->awaited()});
  });
}

void CachedCredentials::tell(const CredentialsNews& news) const {
  if (listener_) listener_(news);
}

void CachedCredentials::ended(Result<Credentials> result) {
  fetching_ = false;
  timeout_.cancel();
  slow_.cancel();
  const MonoTime mono = net::read_clocks().mono;
  const bool fetched = result.has_value();
  if (fetched) {
    if (failures_ > 0 && current_) {
      tell({.kind = CredentialsNews::Kind::renewed, .from = source_->name()});
    }
    keep(*std::move(result));
  } else {
    last_error_ = std::move(result).error();
    if (last_error_->source.empty()) last_error_->source = source_->name();
    const Duration pause = core::delay(
        {.base = options_.retry_base, .cap = options_.retry_cap, .jitter = core::Jitter::equal},
        ++failures_, random_);
    not_before_ = mono + pause;
  }
  // Beside the calls, or an idle process would have to wait with its next one. Not for ever after
  // failures without anybody asking: then only the next call asks.
  const WallTime time = now();
  if (!fetched && valid(time)) {
    tell({.kind = CredentialsNews::Kind::not_renewed,
          .from = last_error_->source,
          .reason = last_error_->message,
          .serve_for = end_ ? std::optional<Duration>(*end_ - time) : std::nullopt});
  }
  if (current_ && refresh_from_ && (fetched || valid(time))) {
    const Duration wait = std::max<Duration>(*refresh_from_ - time, not_before_ - mono);
    refresh_ = loop_.call_after(wait, [this] {
      if (!fetching_) start();
    });
  }
  answer_waiting(valid(time) ? Result<CredentialsPtr>(current_)
                             : Result<CredentialsPtr>(last_error_.value_or(Error{})));
}

void CachedCredentials::keep(Credentials fresh) {
  const WallTime time = now();
  same_again_ = current_ && same(*current_, fresh);
  failures_ = 0;
  refused_ = false;
  last_error_.reset();
  not_before_ = net::read_clocks().mono + (same_again_ ? kSameAgainPause : Duration(0s));
  refresh_from_.reset();
  wait_from_.reset();
  end_.reset();
  if (fresh.expires) {
    const Duration life = *fresh.expires - time;
    if (life > 0s) {
      const Duration ahead = std::min(options_.refresh_ahead, life / 3);
      end_ = fresh.expires;
      wait_from_ = *end_ - std::min(options_.wait_ahead, life / 10);
      refresh_from_ = *end_ - ahead -
                      Duration(static_cast<Duration::rep>(static_cast<double>(ahead.count()) * 0.1 *
                                                          random_.unit()));
    } else {
      end_ = wait_from_ = time + kExtension;
      refresh_from_ = time;
      not_before_ = net::read_clocks().mono + kSameAgainPause;
    }
  }
  if (!same_again_) current_ = std::make_shared<const Credentials>(std::move(fresh));
}

void CachedCredentials::answer_waiting(const Result<CredentialsPtr>& result) {
  const auto waiting = std::exchange(waiting_, {});
  // The callbacks may destroy the provider, or ask again.
  for (const Callback& callback : waiting) callback(result);
}

}  // namespace switchgear::aws
