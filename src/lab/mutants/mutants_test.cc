// Mutation testing of the fleet protocol: each planted defect (core/mutant.h) must be found by the
// simulation, and the code without one must survive the very same runs. Prints the table of what
// found which. By hand, to see one at work:
//
//   SWITCHGEAR_MUTANT=share_bound_missing build/dev/lab_mutants --gtest_filter='Scenario*'
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "lab/attacks.h"
#include "lab/chaos.h"
#include "lab/mutants/defects.h"

namespace switchgear::lab {
namespace {

using core::Mutant;

// Lives of a fleet, or seeds of an attack, that a defect has at the most to show itself in.
constexpr std::uint64_t kSeedsMax = 150;

std::string program;  // this one

// What one run of an attack with one seed found wrong, "" if nothing.
std::string run(std::string_view attack, std::uint64_t seed) {
  if (attack == kChaos) return run_chaos({.seed = seed}).violation;
  const Attack* named = find_attack(attack);
  return named ? named->run(seed) : "there is no attack \"" + std::string(attack) + "\"";
}

struct Death {
  std::string of;          // "" if it survived
  std::uint64_t seed = 0;  // the last one that was run
};

// Runs `body`, which writes to stdout, in a process of its own with the defect in it: one that
// breaks an assertion ends only that. Returns what it wrote.
template <class Body>
std::pair<std::string, int> in_own_process(Mutant mutant, Body body) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return {"no pipe", -1};
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    core::active_mutant = mutant;
    body();
    std::fflush(nullptr);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {text, status};
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// One of this program's other tests, those of the lab, in a process of its own: what failed.
Death run_test(Mutant mutant, std::string_view filter) {
  const std::string name = filter == "" ? "" : std::string(filter);
  const auto [text, status] = in_own_process(mutant, [&] {
    setenv("SWITCHGEAR_MUTANT", name_of(mutant), 1);
    unsetenv("GTEST_OUTPUT");
    const std::string argument = "--gtest_filter=" + name;
    execl(program.c_str(), program.c_str(), argument.c_str(), "--gtest_fail_fast", nullptr);
    _exit(127);
  });
  if (text.find(" ran.") == std::string::npos && WIFEXITED(status)) {
    return {.of = "it could not be run: " + first_line(text)};
  }
  if (text.find("Running 0 tests") != std::string::npos) return {.of = "no such test"};
  return {.of = status == 0 ? "" : "a failed expectation"};
}

bool is_test(std::string_view attack) { return attack.find('.') != std::string_view::npos; }

// The first seed of the attack that finds the defect.
Death attack_until_dead(Mutant mutant, std::string_view attack, std::uint64_t seeds) {
  if (is_test(attack)) return run_test(mutant, attack);
  const auto [text, status] = in_own_process(mutant, [&] {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      std::printf("%llu\n", static_cast<unsigned long long>(seed));
      std::fflush(stdout);
      const std::string violation = run(attack, seed);
      if (violation.empty()) continue;
      std::printf("%s\n", violation.c_str());
      return;
    }
  });
  Death death;
  std::size_t line = 0;
  while (line < text.size()) {
    const std::string one = first_line(text.substr(line));
    line += one.size() + 1;
    const bool number = !one.empty() && one.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
      death.seed = std::stoull(one);
    } else if (death.of.empty()) {
      death.of = one;
    }
  }
  if (status != 0 && death.of.empty()) death.of = "it crashed";
  return death;
}

// "P3 at 12.345 s: …" is P3; what an attack says, it says as a whole.
std::string killer(const std::string& attack, const std::string& violation) {
  const std::size_t at = violation.find_first_of(" :");
  const std::string word = violation.substr(0, at);
  const bool property = word.size() == 2 && word[0] == 'P';
  return attack + (property ? ": " + word : "");
}

struct Row {
  std::string mutant, peers, killer, seed, runs;
};

TEST(Mutants, AreAllKilledBySomethingThatTheUnmutatedSurvives) {
  std::vector<Row> rows;
  std::map<std::string, std::uint64_t> seeds_used;
  for (const Defect& defect : kDefects) {
    const std::string attack(defect.attack);
    const Death death = attack_until_dead(defect.mutant, attack, kSeedsMax);
    std::uint64_t& used = seeds_used[attack];
    used = std::max({used, death.seed, std::uint64_t{1}});
    EXPECT_NE(death.of, "") << defect.name << " survives " << attack;
    const std::string seed = death.seed > 0 ? std::to_string(death.seed) : "-";
    rows.push_back({defect.name, defect.peers,
                    death.of.empty() ? "SURVIVES " + attack : killer(attack, death.of), seed,
                    std::to_string(std::max(death.seed, std::uint64_t{1}))});
    if (std::getenv("SWITCHGEAR_VERBOSE") != nullptr) {
      std::printf("%s: %s\n", defect.name, death.of.c_str());
    }
  }
  std::uint64_t runs = 0;
  for (const auto& [attack, seeds] : seeds_used) {
    runs += seeds;
    const Death death = attack_until_dead(Mutant::none, attack, seeds);
    EXPECT_EQ(death.of, "") << "without any defect, " << attack << " seed " << death.seed;
  }
  rows.push_back({"none", "", "survives all of these", "-", std::to_string(runs)});

  Row widths{"", "", "", "", ""};
  const Row head{"mutant", "published in", "killed by", "seed", "runs"};
  const auto print = [&](const Row& r) {
    std::printf("| %-26s | %-32s | %-44s | %4s | %4s |\n", r.mutant.c_str(), r.peers.c_str(),
                r.killer.c_str(), r.seed.c_str(), r.runs.c_str());
  };
  print(head);
  for (const Row& row : rows) print(row);
}

TEST(Mutants, AreAllInTheTable) {
  std::size_t expected = 1;  // none
  for (const Defect& defect : kDefects) {
    EXPECT_EQ(static_cast<std::size_t>(defect.mutant), expected++) << defect.name;
  }
  EXPECT_EQ(static_cast<std::size_t>(Mutant::count), expected);
}

}  // namespace
}  // namespace switchgear::lab

// Alone it runs the mutants; with SWITCHGEAR_MUTANT=name the tests of the lab with that defect.
int main(int argc, char** argv) {
  namespace lab = switchgear::lab;
  lab::program = argv[0];
  const char* name = std::getenv("SWITCHGEAR_MUTANT");
  if (name == nullptr) testing::GTEST_FLAG(filter) = "Mutants.*";
  testing::InitGoogleTest(&argc, argv);
  if (name != nullptr && !lab::plant(name)) {
    std::fprintf(stderr, "there is no mutant \"%s\"; they are listed in src/core/mutant.h\n", name);
    return 2;
  }
  return RUN_ALL_TESTS();
}
