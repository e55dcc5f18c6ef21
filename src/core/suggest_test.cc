#include "core/suggest.h"

#include <gtest/gtest.h>

namespace switchgear::core {
namespace {

const std::vector<std::string> kKnown{"probes", "probe_successes", "open_duration", "mode"};

TEST(Suggestion, FindsASlipOfTheFinger) {
  EXPECT_EQ(closest("probs", kKnown), "probes");
  EXPECT_EQ(closest("porbes", kKnown), "probes");
  EXPECT_EQ(closest("probe_succeses", kKnown), "probe_successes");
}

TEST(Suggestion, IsBlindToCaseAndHyphens) {
  EXPECT_EQ(closest("openDuration", kKnown), "open_duration");
  EXPECT_EQ(closest("OPEN-DURATION", kKnown), "open_duration");
}

TEST(Suggestion, IsElseTheShortestThatBeginsLikeTheWord) {
  EXPECT_EQ(closest("prob", {"probe_successes", "probes"}), "probes");
  EXPECT_EQ(closest("que", {"queue", "handler"}), "queue");
  EXPECT_EQ(closest("qu", {"queue", "handler"}), std::nullopt);
}

TEST(Suggestion, IsNotMadeForAWordThatIsFarFromAll) {
  EXPECT_EQ(closest("timeout", kKnown), std::nullopt);
  EXPECT_EQ(closest("", kKnown), std::nullopt);
  EXPECT_EQ(did_you_mean("timeout", kKnown), "");
}

TEST(Suggestion, ReadsAsTheEndOfASentence) {
  EXPECT_EQ(did_you_mean("moed", kKnown), "; did you mean `mode`?");
}

}  // namespace
}  // namespace switchgear::core
