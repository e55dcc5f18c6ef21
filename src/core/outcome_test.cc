#include "core/outcome.h"

#include <gtest/gtest.h>

namespace switchgear {

void PrintTo(Outcome outcome, std::ostream* out) { *out << to_string(outcome); }

namespace core {
namespace {

TEST(OutcomeOfCall, TakesAnswersAsSuccess) {
  for (const int status : {200, 201, 204, 301, 304, 307}) {
    EXPECT_EQ(outcome_of_call(status), Outcome::success) << status;
  }
}

TEST(OutcomeOfCall, TakesATimelyNoAsSuccess) {
  for (const int status : {404, 409, 410, 412}) {
    EXPECT_EQ(outcome_of_call(status), Outcome::success) << status;
  }
}

TEST(OutcomeOfCall, KnowsOverload) {
  for (const int status : {408, 429, 503, 504}) {
    EXPECT_EQ(outcome_of_call(status), Outcome::overload) << status;
  }
}

TEST(OutcomeOfCall, TakesOtherServerErrorsAndRefusedCredentialsAsFailure) {
  for (const int status : {500, 501, 502, 505, 511, 599, 401, 403}) {
    EXPECT_EQ(outcome_of_call(status), Outcome::failure) << status;
  }
}

TEST(OutcomeOfCall, IgnoresTheCallersOwnFaults) {
  for (const int status : {400, 402, 405, 406, 411, 413, 414, 415, 418, 422, 431, 451, 499}) {
    EXPECT_EQ(outcome_of_call(status), Outcome::ignored) << status;
  }
}

TEST(OutcomeOfCall, TakesWhatIsNoStatusAsFailure) {
  for (const int status : {-1, 0, 99, 600, 999}) {
    EXPECT_EQ(outcome_of_call(status), Outcome::failure) << status;
  }
}

TEST(OutcomeOfHandler, DeletesTheMessageOn2xxOnly) {
  for (int status = 0; status < 700; ++status) {
    EXPECT_EQ(outcome_of_handler(status) == Outcome::success, status >= 200 && status <= 299)
        << status;
  }
}

TEST(OutcomeOfHandler, KnowsOverload) {
  for (const int status : {408, 429, 503, 504}) {
    EXPECT_EQ(outcome_of_handler(status), Outcome::overload) << status;
  }
}

TEST(OutcomeOfHandler, TakesEveryOther4xxAsTheMessagesOwnFault) {
  for (int status = 400; status < 500; ++status) {
    if (status == 408 || status == 429) continue;
    EXPECT_EQ(outcome_of_handler(status), Outcome::ignored) << status;
  }
}

TEST(OutcomeOfHandler, TakesOther5xxAndRedirectsAsFailure) {
  for (const int status : {500, 501, 502, 505, 599, 100, 302, 0, 600}) {
    EXPECT_EQ(outcome_of_handler(status), Outcome::failure) << status;
  }
}

TEST(OutcomeNames, ReadBackAsWritten) {
  for (const Outcome outcome :
       {Outcome::success, Outcome::failure, Outcome::overload, Outcome::ignored}) {
    EXPECT_EQ(outcome_from_string(to_string(outcome)), outcome);
  }
}

TEST(OutcomeNames, RefuseUnknownWords) {
  for (const char* word : {"", "Success", "ok", "failures", "unknown"}) {
    EXPECT_EQ(outcome_from_string(word), std::nullopt) << word;
  }
}

}  // namespace
}  // namespace core
}  // namespace switchgear
