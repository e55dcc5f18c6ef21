#include "ops/metrics.h"

#include <gtest/gtest.h>

#include <limits>

namespace switchgear::ops {
namespace {

using Type = MetricsText::Type;

TEST(MetricsText, WritesHelpTypeAndSamples) {
  MetricsText text;
  text.family("calls_total", Type::counter, "Calls.");
  text.sample({{"circuit", "a"}, {"outcome", "success"}}, 12);
  text.family("up", Type::gauge, "Whether it is up.");
  text.sample({}, 1);
  EXPECT_EQ(text.text(),
            "# HELP calls_total Calls.\n# TYPE calls_total counter\n"
            "calls_total{circuit=\"a\",outcome=\"success\"} 12\n"
            "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n");
}

TEST(MetricsText, EscapesLabelValues) {
  MetricsText text;
  text.family("x", Type::gauge, "X.");
  text.sample({{"name", "a\"b\\c\nd"}}, 0.5);
  EXPECT_NE(text.text().find("x{name=\"a\\\"b\\\\c\\nd\"} 0.5\n"), std::string::npos);
}

TEST(MetricsText, WritesWhatIsNotFinite) {
  MetricsText text;
  text.family("x", Type::gauge, "X.");
  text.sample({}, std::numeric_limits<double>::infinity());
  text.sample({}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_NE(text.text().find("x +Inf\nx NaN\n"), std::string::npos);
}

TEST(Histogram, CountsUpToEachBound) {
  Histogram histogram({0.1, 1});
  histogram.observe(0.1);
  histogram.observe(0.5);
  histogram.observe(7);
  MetricsText text;
  text.family("t_seconds", Type::histogram, "T.");
  text.histogram({{"c", "a"}}, histogram);
  EXPECT_NE(text.text().find("t_seconds_bucket{c=\"a\",le=\"0.1\"} 1\n"
                             "t_seconds_bucket{c=\"a\",le=\"1\"} 2\n"
                             "t_seconds_bucket{c=\"a\",le=\"+Inf\"} 3\n"
                             "t_seconds_sum{c=\"a\"} 7.6\n"
                             "t_seconds_count{c=\"a\"} 3\n"),
            std::string::npos)
      << text.text();
}

}  // namespace
}  // namespace switchgear::ops
