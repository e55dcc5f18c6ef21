#include "lab/published_figures.h"

#include <algorithm>
#include <cmath>

#include "core/assert.h"

namespace switchgear::lab {

namespace {

constexpr double kUnthinned = 1e12;
constexpr Reading kBefore = Reading::before;
// Four minutes of twelve thousand calls a second.
constexpr int kFewRuns = 4;

const FleetShape kFour = fast_workers(4);
const FleetShape kFifty = fast_workers(50);
const FleetShape kTwenty = lambda_like(20);
const FleetShape kThousand = lambda_like(1'000);
const FleetShape kTenThousand = lambda_like(10'000);

// clang-format off
const PublishedRow kRows[] = {
    {"2 fast workers", fast_workers(2), .005, false, kBefore, 5s, kUnthinned, {480, 2.5, {.17, .22, 2.0}, {90, 114, 1084}}},
    {"4 fast workers", kFour, .005, false, kBefore, 5s, kUnthinned, {1090, 5.2, {.15, .17, .30}, {167, 185, 307}}},
    {"4 fast workers, 3 %", kFour, .03, false, kBefore, 5s, kUnthinned, {1090, 29.5, {.15, .17, .27}, {166, 186, 288}}},
    {"50 fast workers", kFifty, .005, false, kBefore, 5s, kUnthinned, {12400, 60, {.12, .17, .34}, {2540, 3129, 5456}}, kFewRuns},
    {"50 fast, thinned to 500/s", kFifty, .005, false, kBefore, 5s, 500, {12400, 4.2, {.14, .20, .39}, {3091, 3764, 6240}}, kFewRuns},
    {"5 Lambda-like", lambda_like(5), .005, false, kBefore, 5s, kUnthinned, {0, .1, {4.2, 16.1, 78}, {27, 109, 718}}},
    {"5 Lambda-like, 3 %", lambda_like(5), .03, false, kBefore, 5s, kUnthinned, {0, .3, {5.1, 17.8, 52}, {35, 117, 648}}},
    {"20", kTwenty, .005, false, kBefore, 5s, kUnthinned, {0, .5, {.62, 1.1, 5.0}, {26, 48, 180}}},
    {"20, 3 %", kTwenty, .03, false, kBefore, 5s, kUnthinned, {0, 1.3, {.64, 1.1, 3.8}, {25, 47, 146}}},
    {"50", lambda_like(50), .005, false, kBefore, 5s, kUnthinned, {0, 1.3, {.32, .51, 2.2}, {50, 85, 254}}},
    {"1,000", kThousand, .005, false, kBefore, 5s, kUnthinned, {1415, 17.6, {.12, .13, .19}, {725, 1152, 2004}}},
    {"1,000, read 1 s", kThousand, .005, false, kBefore, 1s, kUnthinned, {1415, 17.6, {.12, .13, .19}, {364, 469, 662}}},
    {"1,000, read beside 5 s", kThousand, .005, false, Reading::beside, 5s, kUnthinned, {1415, 17.6, {.12, .13, .19}, {1071, 1607, 2574}}},
    {"1,000, read beside 1 s", kThousand, .005, false, Reading::beside, 1s, kUnthinned, {1415, 17.6, {.12, .13, .19}, {1049, 1251, 1528}}},
    {"1,000, pushed", kThousand, .005, false, Reading::pushed, 5s, kUnthinned, {1415, 17.6, {.12, .13, .19}, {189, 202, 256}}},
    {"1,000, thinned to 500/s", kThousand, .005, false, kBefore, 5s, 500, {1415, 11.9, {.14, .20, .40}, {814, 1334, 2425}}},
    {"1,000, 3 %", kThousand, .03, false, kBefore, 5s, kUnthinned, {1415, 56, {.12, .13, .18}, {727, 1178, 2022}}},
    {"1,000, 3 %, thinned", kThousand, .03, false, kBefore, 5s, 500, {1415, 23, {.15, .19, .37}, {848, 1376, 2490}}},
    // Without the start-up's hellos, 83 of the published writes/s.
    {"10,000", kTenThousand, .005, false, kBefore, 5s, kUnthinned, {14150, 78, {.12, .12, .13}, {7012, 11212, 18588}}, kFewRuns},
    {"10,000, thinned to 500/s", kTenThousand, .005, false, kBefore, 5s, 500, {14150, 10, {.14, .21, .34}, {8491, 13830, 23208}}, kFewRuns},
    {"10,000, 3 %, thinned", kTenThousand, .03, false, kBefore, 5s, 500, {14150, 30, {.14, .16, .42}, {8492, 13124, 24988}}, kFewRuns},
    // At 20 % the default policy is mild on purpose. Its published writes of the 1,000 are of the
    // start-up as well.
    {"default policy: 4 fast, 5 %", kFour, .05, true, kBefore, 5s, kUnthinned, {1090, 47.5, {.15, .20, 0}, {170, 212, 0}}},
    {"default policy: 20, 5 %", kTwenty, .05, true, kBefore, 5s, kUnthinned, {0, 2.0, {.62, 1.3, 0}, {29, 62, 0}}},
    {"default policy: 1,000", kThousand, .005, true, kBefore, 5s, kUnthinned, {1415, 30.7, {.12, .16, 0}, {740, 1222, 0}}},
    {"default policy: 1,000, 5 %", kThousand, .05, true, kBefore, 5s, kUnthinned, {1415, 98, {.12, .14, 0}, {755, 1222, 0}}},
};
// clang-format on

}  // namespace

FleetOptions PublishedRow::options(std::uint64_t seed) const {
  return {.shape = shape,
          .background = background,
          .policy = default_policy ? measured_default_policy(view_refresh)
                                   : measured_policy(view_refresh),
          .reading = reading,
          .limits = {.thinning_rate = thinning_rate},
          .seed = seed};
}

double PublishedRow::writes_at(double calls_per_second) const {
  const double faster =
      published.calls_per_second > 0 ? calls_per_second / published.calls_per_second : 1;
  return published.writes_per_second * std::max(1.0, faster);
}

MeanFigures mean_figures(const PublishedRow& row, int seeds, bool calm_minute,
                         std::span<const double> rates) {
  MeanFigures mean;
  mean.not_open.resize(rates.size());
  FleetFigures& sum = mean.figures;
  sum.onsets.resize(rates.size());
  std::vector<double> calls(sum.onsets.size());
  for (int seed = 1; seed <= seeds; ++seed) {
    FleetOptions options = row.options(static_cast<std::uint64_t>(seed));
    options.calm_minute = calm_minute;
    const FleetFigures f = measure_fleet(options, rates);
    sum.calls_per_second += f.calls_per_second / seeds;
    sum.writes_per_second += f.writes_per_second / seeds;
    sum.reads_per_second += f.reads_per_second / seeds;
    sum.false_trip |= f.false_trip;
    mean.false_trips += f.false_trip;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      mean.not_open[i] += !f.onsets[i].opened;
      if (!f.onsets[i].opened) continue;
      sum.onsets[i].seconds += f.onsets[i].seconds;
      calls[i] += static_cast<double>(f.onsets[i].calls);
    }
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const double opened = std::max(1, seeds - mean.not_open[i]);
    sum.onsets[i].failure_rate = rates[i];
    sum.onsets[i].opened = mean.not_open[i] == 0;
    sum.onsets[i].seconds /= opened;
    sum.onsets[i].calls = static_cast<std::uint64_t>(std::lround(calls[i] / opened));
  }
  return mean;
}

std::span<const PublishedRow> published_rows() { return kRows; }

const PublishedRow& published_row(std::string_view name) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [name](const PublishedRow& r) { return r.name == name; });
  SG_ASSERT(row != std::end(kRows));
  return *row;
}

}  // namespace switchgear::lab
