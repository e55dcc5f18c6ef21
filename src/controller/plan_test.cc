#include "controller/plan.h"

#include <gtest/gtest.h>

namespace switchgear::controller {
namespace {

std::map<std::string, Entry> entries(std::vector<std::optional<int>> limits) {
  std::map<std::string, Entry> all;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    all[std::string(1, static_cast<char>('a' + i))] = {.before = {.limit = limits[i]}};
  }
  return all;
}
int sum(const std::map<std::string, Settings>& shares) {
  int total = 0;
  for (const auto& [uuid, settings] : shares) total += settings.limit.value_or(100);
  return total;
}

TEST(Ramp, SwitchesOneMappingOnAfterAnother) {
  const auto all = entries({50, 50, 50});
  EXPECT_EQ(ramp_shares(2, all, 100).size(), 1u);
  EXPECT_EQ(ramp_shares(4, all, 100).size(), 2u);
  EXPECT_EQ(ramp_shares(8, all, 100).size(), 3u);
  EXPECT_EQ(ramp_shares(2, all, 100).at("a").limit, 2);
}

TEST(Ramp, NeverGivesMoreThanItsLimitNorMoreThanAMappingHad) {
  const auto all = entries({50, 5, std::nullopt, 2});
  for (double limit = 2; limit <= 200; limit += 1) {
    const auto shares = ramp_shares(limit, all, 100);
    EXPECT_LE(sum(shares), limit) << limit;
    for (const auto& [uuid, settings] : shares) {
      EXPECT_LE(settings.limit.value_or(100), full_limit(all.at(uuid).before, 100));
      EXPECT_GE(settings.limit.value_or(100), kLimitMin);
    }
  }
}

TEST(Ramp, TakesNothingAwayAsItGrows) {
  const auto all = entries({50, 5, std::nullopt, 2});
  auto before = ramp_shares(2, all, 100);
  for (double limit = 4; limit <= 256; limit *= 2) {
    const auto now = ramp_shares(limit, all, 100);
    for (const auto& [uuid, settings] : before) {
      EXPECT_GE(now.at(uuid).limit.value_or(100), settings.limit.value_or(100)) << limit << uuid;
    }
    before = now;
  }
}

TEST(Ramp, EndsWithWhatEachHad) {
  const auto all = entries({50, 5, std::nullopt});
  const auto shares = ramp_shares(ramp_end(all, 100), all, 100);
  for (const auto& [uuid, entry] : all) EXPECT_EQ(shares.at(uuid), entry.before) << uuid;
}

TEST(Ramp, LeavesOutWhatWasOffAndWhatAPersonChanged) {
  auto all = entries({50, 50, 50});
  all["a"].before.enabled = false;
  all["b"].left_alone = true;
  const auto shares = ramp_shares(200, all, 100);
  EXPECT_EQ(shares.size(), 1u);
  EXPECT_TRUE(shares.contains("c"));
  EXPECT_EQ(ramp_end(all, 100), 50);
}

TEST(Step, ComesFromComparingWhatIsWithWhatShouldBe) {
  const Settings on{.limit = 50};
  const Settings off{.enabled = false, .limit = 50};
  const Mapping is_on{.settings = on};
  const Mapping is_off{.settings = off};
  Mapping changing = is_on;
  changing.changing = true;
  EXPECT_EQ(next_step(is_on, {.before = on, .wanted = on, .done = true}, on), Step::none);
  EXPECT_EQ(next_step(is_on, {.before = on, .wanted = on, .done = true}, off), Step::intend);
  EXPECT_EQ(next_step(is_on, {.before = on, .wanted = off}, off), Step::ask);
  EXPECT_EQ(next_step(changing, {.before = on, .wanted = off}, off), Step::wait);
  EXPECT_EQ(next_step(is_off, {.before = on, .wanted = off}, off), Step::seen);
  EXPECT_EQ(next_step(is_on, {.before = on, .wanted = off, .done = true}, off), Step::person);
  EXPECT_EQ(next_step(is_on, {.before = on, .wanted = off}, on), Step::intend)
      << "what was meant for an earlier state is not asked for any more";
}

TEST(WantedSettings, OfAStreamHaveNoLimit) {
  Ledger ledger;
  ledger.entries["s"] = {.before = {.batch_size = 100, .parallelization_factor = 4}};
  const Mapping stream{.uuid = "s", .source_arn = "arn:aws:kinesis:eu-central-1:1:stream/s"};
  const FindMapping mappings = [&](const std::string&) { return &stream; };
  const auto limited = wanted_settings({.gate = Gate::limited}, ledger, mappings, {}).at("s");
  EXPECT_EQ(limited.limit, std::nullopt);
  EXPECT_EQ(limited.batch_size, 1);
  EXPECT_EQ(limited.parallelization_factor, 1);
  const auto ramp = wanted_settings({.gate = Gate::ramp, .limit = 2}, ledger, mappings, {}).at("s");
  EXPECT_EQ(ramp, ledger.entries["s"].before);
}

TEST(WantedSettings, OfAStreamAreTheLeastBeforeItsRecordsAreGone) {
  Ledger ledger;
  ledger.entries["s"] = {.before = {.batch_size = 100, .parallelization_factor = 4}};
  const Mapping stream{.uuid = "s",
                       .source_arn = "arn:aws:dynamodb:eu-central-1:1:table/t/stream/2024"};
  const FindMapping find = [&](const std::string&) { return &stream; };
  const auto after = [&](Duration time) {
    return wanted_settings({.gate = Gate::off, .off_for = time}, ledger, find, {}).at("s");
  };
  EXPECT_FALSE(after(19h).enabled);
  EXPECT_TRUE(after(20h).enabled);
  EXPECT_EQ(after(20h).batch_size, 1);
  EXPECT_EQ(after(20h).parallelization_factor, 1);
  EXPECT_FALSE(must_run(SourceKind::sqs, 20h)) << "a queue's messages are watched by their age";
  EXPECT_TRUE(must_run(SourceKind::kafka, 6 * 24h));
}

}  // namespace
}  // namespace switchgear::controller
