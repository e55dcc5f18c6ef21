// Recovery through the distributed limit, with the shipped worker and member: 4 workers of 50 calls
// over a dependency that queues (20 x 0.2 s, 100 calls/s) and finishes abandoned calls. 200 callers
// are as many as 100/s x 2 s bears: let loose at once, they collapse it.
#include "lab/outage.h"

#include <gtest/gtest.h>

#include <sstream>

#include "lab/demo.h"
#include "lab/picture.h"

namespace switchgear::lab {
namespace {

OutageOptions backlog_after_outage(std::uint64_t seed, std::uint64_t backlog) {
  OutageOptions o;
  o.seed = seed;
  o.backlog = backlog;
  o.dependency = {.servers = 20, .service_mean = 200ms, .exponential = true, .failure_rate = 0.005};
  o.policy.open_duration = 1s;
  o.policy.max_open_duration = 3s;
  o.consumer.handler_timeout = 2s;
  o.consumer.backoff = {.base = 1s, .cap = 20s, .jitter = core::Jitter::equal};
  o.down_at = 1s;
  o.up_at = 20s;
  o.stop_when_drained = true;
  return o;
}

TEST(Recovery, DrainsABacklogWithin125PercentOfTheIdealWithoutASecondTrip) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    const OutageResult r = run_outage(backlog_after_outage(seed, 10'000));
    EXPECT_TRUE(r.drained);
    EXPECT_LE(r.drain_seconds, 1.25 * r.drain_seconds_ideal);
    EXPECT_EQ(r.trips, 1);
    EXPECT_EQ(r.dead_lettered, 0u);
  }
}

TEST(Recovery, WithoutTheLimitItTripsAgainAndAgain) {
  OutageOptions o = backlog_after_outage(1, 10'000);
  o.policy.recovery_limit = false;
  o.longest = 5min;
  const OutageResult r = run_outage(o);
  EXPECT_GE(r.trips, 10);
  EXPECT_FALSE(r.drained);
}

TEST(Recovery, DrainsThroughAThousandEnvironmentsOfOneCall) {
  for (const std::uint64_t seed : {1u, 2u}) {
    SCOPED_TRACE(seed);
    OutageOptions o = backlog_after_outage(seed, 2'000);
    o.workers = 1'000;
    o.consumer.concurrency = 1;
    o.policy.recovery_initial_limit = 8;
    o.longest = 10min;
    const OutageResult r = run_outage(o);
    EXPECT_TRUE(r.drained);
    EXPECT_EQ(r.trips, 1);
    EXPECT_LE(r.drain_seconds, 1.4 * r.drain_seconds_ideal);
  }
}

TEST(Demo, LosesNothingWithTheCircuitAndCollapsesWithout) {
  std::ostringstream out;
  const DemoResult r = run_demo({.fast = true}, out);
  EXPECT_EQ(r.with.done, r.with.sent);
  EXPECT_EQ(r.with.dead_lettered, 0u);
  EXPECT_EQ(r.with.trips, 1);
  EXPECT_TRUE(r.with.drained);
  EXPECT_GE(r.with.probes, 10u);
  EXPECT_LT(r.with.failed_calls * 20, r.without.failed_calls);
  EXPECT_GT(r.without.dead_lettered, 0u);
}

TEST(Demo, WritesTheSameBytesForTheSameSeed) {
  const auto shown = [](std::uint64_t seed, bool json) {
    std::ostringstream out;
    run_demo({.seed = seed, .fast = true, .json = json}, out);
    return out.str();
  };
  EXPECT_EQ(shown(3, true), shown(3, true));
  EXPECT_NE(shown(3, true), shown(4, true));
  const std::string table = shown(3, false);
  EXPECT_EQ(table, shown(3, false));
  EXPECT_EQ(table.find('\x1b'), std::string::npos);  // no control codes unless asked for
  EXPECT_NE(table.find("switchgear worker --help"), std::string::npos);
}

TEST(Demo, PacesAMinuteInAboutTwelveSeconds) {
  std::ostringstream out;
  Duration paced{0};
  const DemoResult r = run_demo({}, out, [&](Duration d) { paced += d; });
  const double minutes = static_cast<double>(r.with.seconds.size()) / 60;
  const double without = static_cast<double>(r.without.seconds.size()) / 60;
  EXPECT_NEAR(to_seconds(paced), 12 * minutes + 3 * without, 1);
}

TEST(Picture, IsDrawnFromARun) {
  const OutageResult with = run_outage(demo_outage(1, true));
  const OutageResult without = run_outage(demo_outage(1, false));
  std::ostringstream svg;
  write_outage_picture(svg, with, without, 10s, 40s);
  EXPECT_TRUE(svg.str().starts_with("<svg "));
  EXPECT_TRUE(svg.str().ends_with("</svg>\n"));
}

}  // namespace
}  // namespace switchgear::lab
