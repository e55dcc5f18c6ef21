// Faults of a dependency as breakers that stand outside come through them, and the docs' table and
// pictures of that.
#include "lab/fault_runs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "lab/fault_picture.h"

namespace switchgear::lab {
namespace {

const DependencyFault& fault_named(std::string_view name) {
  return *std::ranges::find(faults(), name, &DependencyFault::name);
}

constexpr Design kShipped[] = {Design::alarm, Design::trial, Design::circuit};

class EveryFault : public testing::TestWithParam<std::size_t> {};

// A mapping that stays off while the dependency is well is a failed run.
TEST_P(EveryFault, EndsWithEverythingAsBeforeAndNothingLost) {
  const DependencyFault& fault = faults()[GetParam()];
  for (const Design design : kShipped) {
    for (const std::uint64_t seed : {2, 3}) {
      const FaultResult r = run_fault(fault, {.seed = seed, .design = design});
      EXPECT_FALSE(r.stays_off()) << fault.name << ", " << to_string(design) << ", " << seed;
      EXPECT_EQ(r.lost(), 0) << fault.name << ", " << to_string(design) << ", " << seed;
    }
  }
}

// News of alarms only wakes the controller, which reads them.
TEST_P(EveryFault, EndsWithEverythingAsBeforeWhateverBecomesOfTheNewsOfAlarms) {
  const DependencyFault& fault = faults()[GetParam()];
  const AlarmNews kinds[] = {{.delay_least = 2min, .delay_most = 20min},
                             {.reordered = true},
                             {.lost = 0.5, .reordered = true},
                             {.lost = 1}};
  for (const AlarmNews& news : kinds) {
    for (const Design design : {Design::alarm, Design::trial}) {
      const FaultResult r =
          run_fault(fault, {.seed = 4, .design = design, .news = news, .woken = true});
      EXPECT_FALSE(r.stays_off()) << fault.name << ", " << to_string(design) << ", " << news.lost;
      EXPECT_EQ(r.lost(), 0) << fault.name << ", " << to_string(design) << ", " << news.lost;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fault, EveryFault, testing::Range<std::size_t>(0, 7));

TEST(FaultRuns, AnAlarmThatNobodyHearsOfStopsCallsAllTheSame) {
  const DependencyFault& fault = fault_named("100 % errors");
  for (const bool woken : {false, true}) {
    const FaultResult r =
        run_fault(fault, {.seed = 5, .design = Design::alarm, .news = {.lost = 1}, .woken = woken});
    EXPECT_GT(r.stop_seconds, 60);
    EXPECT_LT(r.stop_seconds, 330) << "two breaching minutes, a minute's lag, the change";
    EXPECT_EQ(r.messages.dead_lettered, 0u);
  }
}

TEST(FaultRuns, WithoutABreakerAnOutageDeadLetters) {
  const FaultResult r = run_fault(fault_named("100 % errors"), {.design = Design::none});
  EXPECT_GT(r.messages.dead_lettered, 10'000u);
  EXPECT_LT(r.stop_seconds, 0);
  EXPECT_EQ(r.lost(), 0);
}

// What their code does is what is told of it.
TEST(FaultRuns, TheSampleOfStepFunctionsLeavesTheMappingOffWhenItFindsNoMessage) {
  EXPECT_TRUE(run_fault(fault_named("idle"), {.design = Design::stepfunctions}).stays_off());
}

std::string file_of_docs(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(std::string(SWITCHGEAR_DOCS) + "/" + name).rdbuf();
  return text.str();
}

TEST(FaultRuns, TheDocsShowWhatTheCommandPrintsAndDraws) {
  const std::vector<FaultRow> rows = fault_rows(kFaultSeed);
  EXPECT_NE(file_of_docs("controller.md").find(fault_table(rows)), std::string::npos)
      << "make bench-fleet ONLY=controller prints:\n"
      << fault_table(rows);
  int pictures = 0;
  for (const FaultRow& row : rows) {
    if (row.design != kPictured || row.fault->file.empty()) continue;
    std::ostringstream drawn;
    write_fault_picture(drawn, *row.fault, row.result);
    const std::string name = picture_name(*row.fault);
    EXPECT_EQ(file_of_docs(name), drawn.str())
        << name << ": fleet_figures --pictures docs controller";
    EXPECT_NE(file_of_docs("controller.md").find("(" + name + ")"), std::string::npos) << name;
    ++pictures;
  }
  EXPECT_EQ(pictures, 6);
}

}  // namespace
}  // namespace switchgear::lab
