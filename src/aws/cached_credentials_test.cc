#include "aws/cached_credentials.h"

#include <gtest/gtest.h>

#include <vector>

namespace switchgear::aws {
namespace {

// Keeps what it is asked for until the test answers.
struct Script {
  std::vector<CredentialsSource::Callback> fetches;
};

class ScriptedSource final : public CredentialsSource {
 public:
  explicit ScriptedSource(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  std::string name() const override { return "the script"; }
  void fetch(Callback callback) override { script_->fetches.push_back(std::move(callback)); }

 private:
  std::shared_ptr<Script> script_;
};

const WallTime kStart{std::chrono::hours(24 * 365 * 50)};

class CachedCredentialsTest : public testing::Test {
 protected:
  CachedCredentialsTest() { make(); }
  void make(CredentialsCacheOptions options = {}) {
    options.wall_clock = [this] { return now_; };
    cache_ = std::make_unique<CachedCredentials>(loop_, std::make_unique<ScriptedSource>(script_),
                                                 core::Random(1), options);
    cache_->listen([this](const CredentialsNews& news) { news_.push_back(news.text()); });
  }
  void ask() {
    cache_->get([this](const Result<CredentialsPtr>& got) {
      got_.push_back(got ? (*got)->access_key_id : got.error().text());
      if (got) last_ = *got;
    });
  }
  // The answer to the n-th fetch.
  void give(std::size_t n, const std::string& key, std::optional<Duration> life) {
    Credentials credentials{.access_key_id = key, .secret_access_key = "s"};
    if (life) credentials.expires = now_ + *life;
    script_->fetches.at(n)(credentials);
  }
  void fail(std::size_t n, const std::string& why = "out of order") {
    script_->fetches.at(n)(credentials_error(why, true));
  }
  std::size_t fetches() const { return script_->fetches.size(); }
  void run_until_fetches(std::size_t n) {
    EXPECT_TRUE(loop_.run_until([&] { return fetches() >= n; }, 20s));
  }

  WallTime now_ = kStart;
  net::Loop loop_;
  std::shared_ptr<Script> script_ = std::make_shared<Script>();
  std::unique_ptr<CachedCredentials> cache_;
  std::vector<std::string> got_;
  std::vector<std::string> news_;
  CredentialsPtr last_;
};

using Strings = std::vector<std::string>;

TEST_F(CachedCredentialsTest, AreFetchedOnceForAllWhoWait) {
  EXPECT_EQ(fetches(), 0u);
  ask();
  ask();
  EXPECT_EQ(fetches(), 1u);
  EXPECT_EQ(got_, Strings{});
  give(0, "A", 6h);
  ask();
  EXPECT_EQ(got_, (Strings{"A", "A", "A"}));
  EXPECT_EQ(fetches(), 1u);
}

TEST_F(CachedCredentialsTest, WithoutAnEndAreKept) {
  ask();
  give(0, "A", std::nullopt);
  now_ += std::chrono::hours(24 * 365);
  ask();
  EXPECT_EQ(got_, (Strings{"A", "A"}));
  EXPECT_EQ(fetches(), 1u);
}

TEST_F(CachedCredentialsTest, ServeWhileNewOnesAreFetchedBeforeTheirEnd) {
  ask();
  give(0, "A", 6h);
  now_ += 6h - 14min;
  ask();
  ask();
  EXPECT_EQ(fetches(), 2u) << "one refresh at a time";
  give(1, "B", 6h);
  ask();
  EXPECT_EQ(got_, (Strings{"A", "A", "A", "B"}));
}

TEST_F(CachedCredentialsTest, AreNotFetchedAnewWhileTheyAreYoung) {
  ask();
  give(0, "A", 6h);
  now_ += 6h - 17min;
  ask();
  EXPECT_EQ(fetches(), 1u);
}

TEST_F(CachedCredentialsTest, AreWaitedForCloseToTheirEnd) {
  ask();
  give(0, "A", 6h);
  now_ += 6h - 30s;
  ask();
  EXPECT_EQ(got_, Strings{"A"});
  give(1, "B", 6h);
  EXPECT_EQ(got_, (Strings{"A", "B"}));
}

TEST_F(CachedCredentialsTest, ServeOnAfterAFailedRefreshWhileTheyLast) {
  make({.retry_base = 20ms, .retry_cap = 20ms});
  ask();
  give(0, "A", 6h);
  now_ += 6h - 14min;
  ask();
  fail(1);
  ask();
  EXPECT_EQ(got_, (Strings{"A", "A", "A"}));
  EXPECT_EQ(fetches(), 2u) << "the next attempt comes after a pause";
  run_until_fetches(3);
  now_ += 13min + 50s;
  ask();
  fail(2);
  EXPECT_EQ(got_.back(), "A") << "still ten seconds good";
}

TEST_F(CachedCredentialsTest, AreRefreshedWithoutAnybodyAsking) {
  ask();
  give(0, "A", 300ms);  // refreshed from 180 to 200 ms on
  run_until_fetches(2);
}

TEST_F(CachedCredentialsTest, EndWithAnErrorThatNamesTheirSource) {
  ask();
  fail(0);
  EXPECT_EQ(got_, Strings{"the script: credentials: out of order"});
  ask();
  EXPECT_EQ(got_.size(), 2u) << "no second fetch at once, and no waiting for one";
  EXPECT_EQ(fetches(), 1u);
}

TEST_F(CachedCredentialsTest, AreFetchedAgainSomeTimeAfterAFailure) {
  make({.retry_base = 10ms, .retry_cap = 10ms});
  ask();
  fail(0);
  loop_.run_until([] { return false; }, 15ms);
  ask();
  give(1, "A", 1h);
  EXPECT_EQ(got_.back(), "A");
}

TEST_F(CachedCredentialsTest, ThatCannotBeRenewedAreToldOfWhileTheyLast) {
  make({.retry_base = 1ms, .retry_cap = 1ms});
  ask();
  give(0, "A", 6h);
  now_ += 6h - 14min;
  ask();
  fail(1);
  EXPECT_EQ(news_,
            Strings{"AWS credentials were not renewed: the script: out of order; the present "
                    "ones serve for another 14 min"});
  run_until_fetches(3);
  give(2, "B", 6h);
  ASSERT_EQ(news_.size(), 2u);
  EXPECT_EQ(news_[1], "AWS credentials are renewed again: the script");
  now_ += 7h;
  ask();
  fail(3);
  EXPECT_EQ(news_.size(), 2u) << "whoever asks gets the error";
}

TEST_F(CachedCredentialsTest, ThatAreLongInComingAreToldOfOnceToThoseWhoWait) {
  make({.tell_after = 1ms});
  ask();
  ASSERT_TRUE(loop_.run_until([&] { return !news_.empty(); }, 20s));
  EXPECT_EQ(news_, Strings{"still waiting for AWS credentials: the script"});
  give(0, "A", 6h);
  now_ += 6h - 14min;
  ask();  // nobody waits for this fetch
  ASSERT_EQ(fetches(), 2u);
  loop_.run_until([] { return false; }, 20ms);
  EXPECT_EQ(news_.size(), 1u);
  now_ += 14min;
  ask();
  ASSERT_TRUE(loop_.run_until([&] { return news_.size() == 2; }, 20s));
}

TEST_F(CachedCredentialsTest, DoNotServeOnceTheyHaveExpired) {
  ask();
  give(0, "A", 1h);
  now_ += 2h;
  ask();
  fail(1);
  EXPECT_EQ(got_.back(), "the script: credentials: out of order");
}

TEST_F(CachedCredentialsTest, OfASourceThatHangsEndWithAnError) {
  make({.fetch_timeout = 20ms});
  ask();
  EXPECT_TRUE(loop_.run_until([&] { return !got_.empty(); }, 20s));
  EXPECT_EQ(got_, Strings{"the script: credentials: gave no credentials within 20 ms"});
  give(0, "late", 1h);
  EXPECT_EQ(got_.size(), 1u) << "what comes afterwards counts no more";
}

TEST_F(CachedCredentialsTest, ThatAServiceRefusedAreFetchedAnew) {
  ask();
  give(0, "A", 6h);
  EXPECT_TRUE(cache_->refused(last_));
  ask();
  EXPECT_EQ(got_.size(), 1u);
  give(1, "B", 6h);
  EXPECT_EQ(got_.back(), "B");
}

TEST_F(CachedCredentialsTest, ThatWereReplacedAreNotFetchedAnewForALateRefusal) {
  ask();
  give(0, "A", 6h);
  const CredentialsPtr old = last_;
  EXPECT_TRUE(cache_->refused(old));
  ask();
  give(1, "B", 6h);
  EXPECT_TRUE(cache_->refused(old)) << "others are there";
  ask();
  EXPECT_EQ(got_.back(), "B");
  EXPECT_EQ(fetches(), 2u);
}

TEST_F(CachedCredentialsTest, ThatStayTheSameAreNotFetchedForEveryRefusal) {
  ask();
  give(0, "A", std::nullopt);
  EXPECT_TRUE(cache_->refused(last_));
  ask();
  give(1, "A", std::nullopt);
  EXPECT_EQ(got_.back(), "A");
  EXPECT_FALSE(cache_->refused(last_));
  ask();
  EXPECT_EQ(fetches(), 2u);
}

TEST_F(CachedCredentialsTest, ThatAreAllRefusedAreNotFetchedForEveryRefusal) {
  ask();
  give(0, "A", 6h);
  EXPECT_TRUE(cache_->refused(last_));
  EXPECT_TRUE(cache_->refused(last_)) << "by another call of the same time";
  ask();
  give(1, "B", 6h);
  EXPECT_FALSE(cache_->refused(last_)) << "others would be refused too";
  ask();
  EXPECT_EQ(got_.back(), "B");
  EXPECT_EQ(fetches(), 2u);
}

TEST_F(CachedCredentialsTest, ThatLookExpiredWhenTheyComeAreTried) {
  ask();
  give(0, "A", -1h);  // or our clock is ahead
  ask();
  EXPECT_EQ(got_, (Strings{"A", "A"}));
  EXPECT_EQ(fetches(), 1u);
}

TEST_F(CachedCredentialsTest, CallNobodyOnceDestroyed) {
  ask();
  cache_.reset();
  give(0, "A", 1h);
  EXPECT_EQ(got_, Strings{});
}

}  // namespace
}  // namespace switchgear::aws
