#include "core/name.h"

#include <gtest/gtest.h>

namespace switchgear::core {
namespace {

TEST(CircuitName, MayHaveLettersDigitsAndFourSigns) {
  EXPECT_FALSE(problem_with_circuit_name("payments-api"));
  EXPECT_FALSE(problem_with_circuit_name("A.b_C:9-"));
  EXPECT_FALSE(problem_with_circuit_name("x"));
}

TEST(CircuitName, MayHaveOneKeyAfterASlash) {
  EXPECT_FALSE(problem_with_circuit_name("payments-api/eu-1"));
  EXPECT_TRUE(problem_with_circuit_name("payments-api/eu/1"));
  EXPECT_TRUE(problem_with_circuit_name("payments-api/"));
  EXPECT_TRUE(problem_with_circuit_name("/eu-1"));
}

TEST(CircuitName, IsNotEmptyAndNotEndless) {
  EXPECT_TRUE(problem_with_circuit_name(""));
  EXPECT_FALSE(problem_with_circuit_name(std::string(256, 'a')));
  EXPECT_TRUE(problem_with_circuit_name(std::string(257, 'a')));
  EXPECT_FALSE(problem_with_circuit_name(std::string(256, 'a') + "/" + std::string(256, 'b')));
}

TEST(CircuitName, SaysWhichCharacterIsWrong) {
  EXPECT_EQ(*problem_with_circuit_name("pay ments"),
            "the circuit's name contains a space; write only the characters A-Z a-z 0-9 . _ : -");
  EXPECT_NE(problem_with_circuit_name("käse")->find("0xc3"), std::string::npos);
  EXPECT_NE(problem_with_circuit_name("a{b}")->find("'{'"), std::string::npos);
}

}  // namespace
}  // namespace switchgear::core
