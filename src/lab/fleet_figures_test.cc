// The figures that the protocol promises, on a few seeds; `make bench-fleet` takes more of them,
// and all rows.
#include "lab/fleet_figures.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

#include "lab/published_figures.h"

namespace switchgear::lab {
namespace {

constexpr double kTotal[] = {1};

struct Measured {
  const char* row;
  int seeds;  // more where few calls make the figures scatter
  bool writes = true;
};

class Published : public testing::TestWithParam<Measured> {};

// The bounds are the published figures and 15 %.
TEST_P(Published, IsReached) {
  const PublishedRow& row = published_row(GetParam().row);
  const MeanFigures mean = mean_figures(row, GetParam().seeds, GetParam().writes);
  EXPECT_EQ(mean.false_trips, 0);
  const FleetFigures& f = mean.figures;
  if (GetParam().writes) {
    EXPECT_LE(f.writes_per_second, kWorse * row.writes_at(f.calls_per_second));
  }
  for (std::size_t i = 0; i < std::size(kFailureRates); ++i) {
    if (row.published.seconds[i] <= 0) continue;
    const OnsetFigures& onset = f.onsets[i];
    EXPECT_TRUE(onset.opened) << mean.not_open[i] << " runs, at " << kFailureRates[i];
    EXPECT_LE(onset.seconds, kWorse * row.published.seconds[i]) << "at " << kFailureRates[i];
    EXPECT_LE(onset.calls, kWorse * row.published.calls[i]) << "at " << kFailureRates[i];
  }
}

std::string name_of(const testing::TestParamInfo<Measured>& measured) {
  std::string name;
  for (const char* c = measured.param.row; *c != 0; ++c) {
    if (std::isalnum(static_cast<unsigned char>(*c))) name += *c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Figure, Published,
    testing::Values(Measured{"4 fast workers", 6}, Measured{"4 fast workers, 3 %", 6},
                    Measured{"50 fast workers", 3, false},
                    Measured{"50 fast, thinned to 500/s", 3, false}, Measured{"20", 20},
                    Measured{"20, 3 %", 20}, Measured{"1,000", 3},
                    Measured{"1,000, thinned to 500/s", 10, false},
                    Measured{"1,000, 3 %, thinned", 6, false}, Measured{"10,000", 1, false},
                    Measured{"default policy: 4 fast, 5 %", 3},
                    Measured{"default policy: 20, 5 %", 20}, Measured{"default policy: 1,000", 3},
                    Measured{"default policy: 1,000, 5 %", 3, false}),
    name_of);

TEST(FleetFigures, AThousandEnvironmentsWriteLittleAndStopWithinTheirCallsInFlight) {
  const FleetFigures f =
      mean_figures(published_row("1,000, read beside 5 s"), 3, true, kTotal).figures;
  EXPECT_LE(f.writes_per_second, 20);
  EXPECT_LE(f.onsets[0].seconds, 0.15);
  EXPECT_LE(f.onsets[0].calls, 1'150u);
}

TEST(FleetFigures, AThousandStrictEnvironmentsWasteAThirdOfThat) {
  const FleetFigures f = mean_figures(published_row("1,000, read 1 s"), 3, false, kTotal).figures;
  EXPECT_LE(f.onsets[0].seconds, 0.15);
  EXPECT_LE(f.onsets[0].calls, 400u);
}

TEST(FleetFigures, AThousandEnvironmentsThatAreToldWasteHardlyMoreThanTheCallsInFlight) {
  const FleetFigures f = mean_figures(published_row("1,000, pushed"), 3, false, kTotal).figures;
  EXPECT_LE(f.onsets[0].seconds, 0.15);
  EXPECT_LE(f.onsets[0].calls, 220u);
}

class SickOne : public testing::TestWithParam<const char*> {};

// In 20 runs: it as it is shipped, and one that goes on calling, so that nothing but the share that
// one process may supply keeps the fleet closed.
TEST_P(SickOne, OpensNothing) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const FleetOptions options = published_row(GetParam()).options(seed);
    EXPECT_FALSE(sick_process_opens(options, seed % 2 == 0)) << "seed " << seed;
    EXPECT_FALSE(sick_process_opens(options, seed % 2 == 0, true)) << "seed " << seed;
  }
}

// With this rule and four processes the share alone would not do: it is the one that stops itself.
TEST(FleetFigures, OneOfFourSickBesideAThreePercentBackgroundOpensNothing) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const FleetOptions options = published_row("4 fast workers, 3 %").options(seed);
    EXPECT_FALSE(sick_process_opens(options, seed % 2 == 0)) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(From4Up, SickOne, testing::Values("4 fast workers", "20", "20, 3 %", "50"),
                         [](const auto& name) {
                           return name_of({Measured{name.param, 0}, name.index});
                         });

}  // namespace
}  // namespace switchgear::lab
