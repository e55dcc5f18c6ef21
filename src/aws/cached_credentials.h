// Credentials of one source, fetched once for all who ask, and anew before they end, beside the
// calls that still use the old ones.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "aws/credentials_provider.h"
#include "core/random.h"
#include "core/time.h"
#include "net/loop.h"

namespace switchgear::aws {

// Where credentials come from, one fetch at a time: a file, an endpoint, a role.
class CredentialsSource {
 public:
  using Callback = std::function<void(Result<Credentials>)>;

  CredentialsSource() = default;
  CredentialsSource(const CredentialsSource&) = delete;
  CredentialsSource& operator=(const CredentialsSource&) = delete;
  virtual ~CredentialsSource() = default;

  // For people: "profile prod (~/.aws/config)", "the instance's role".
  virtual std::string name() const = 0;
  // While a fetch is under way: whoever has not answered yet, himself or where he gets his own.
  virtual std::string awaited() const { return name(); }
  // `callback` is called at most once, perhaps from inside, never after the source's end.
  virtual void fetch(Callback callback) = 0;
};

struct CredentialsCacheOptions {
  // From so long before the end on, new ones are fetched while the old ones still serve; of
  // credentials with a short life, in its last third. Up to a tenth earlier by chance, so that a
  // fleet that started together does not ask together.
  Duration refresh_ahead = 15min;
  // From so long before the end on, calls wait for new ones, as a request that is on its way or
  // repeated must not outlive its credentials; of a short life, in its last tenth.
  Duration wait_ahead = 1min;
  // A fetch that has not ended by then has failed.
  Duration fetch_timeout = 50s;
  // After so long somebody who waits is told what for.
  Duration tell_after = 3s;
  // After a failed fetch: base, doubled each time up to the cap, half of it by chance. Calls that
  // have to wait get the last error meanwhile.
  Duration retry_base = 1s;
  Duration retry_cap = 1min;
  // Time of day, which says whether credentials have expired; empty: this machine's.
  std::function<WallTime()> wall_clock = {};
};

class CachedCredentials final : public CredentialsProvider {
 public:
  // `loop` outlives the provider. Nothing is fetched before the first get().
  CachedCredentials(net::Loop& loop, std::unique_ptr<CredentialsSource> source, core::Random random,
                    CredentialsCacheOptions options = {});

  void get(Callback callback) override;
  std::string name() const override { return source_->name(); }
  bool refused(const CredentialsPtr& credentials) override;
  void listen(const CredentialsListener& listener) override { listener_ = listener; }

 private:
  WallTime now() const;
  bool serves(WallTime time) const;
  bool valid(WallTime time) const;
  void start();
  void ended(Result<Credentials> result);
  void keep(Credentials fresh);
  void tell_soon();
  void tell(const CredentialsNews& news) const;
  void answer_waiting(const Result<CredentialsPtr>& result);

  net::Loop& loop_;
  core::Random random_;
  const CredentialsCacheOptions options_;

  CredentialsPtr current_;  // empty: none yet
  // Of the current ones: refreshed from here on, waited for from here on, of no use from here on.
  // Without an end they have none of these.
  std::optional<WallTime> refresh_from_;
  std::optional<WallTime> wait_from_;
  std::optional<WallTime> end_;
  bool refused_ = false;                         // the current ones, by a service
  std::optional<MonoTime> renewed_for_refusal_;  // the last time
  bool same_again_ = false;                      // the last fetch gave what was there already

  bool fetching_ = false;
  std::uint64_t fetch_ = 0;  // the one under way; answers of others come too late
  std::uint64_t failures_ = 0;
  MonoTime not_before_{};  // when the next fetch may start
  std::optional<Error> last_error_;
  std::deque<Callback> waiting_;
  CredentialsListener listener_;
  net::Timer timeout_;
  net::Timer slow_;
  net::Timer refresh_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  // Last, so that it goes first.
  std::unique_ptr<CredentialsSource> source_;
};

}  // namespace switchgear::aws
