// One process of a fleet under Switchgear: paced BREAKER HOST:PORT NAME CALLS_PER_SECOND. See
// compare.py for what it reads and prints.
#include <chrono>
#include <cstdint>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "switchgear/switchgear.h"

namespace {

using namespace std::chrono_literals;
using Wall = std::chrono::system_clock;
using Ms = std::chrono::duration<double, std::milli>;

struct Phase {
  std::int64_t begin_ms, fail_from_ms, end_ms;
  double fail_share;
};

void write(const char* name, const std::vector<double>& values) {
  std::cout << ",\"" << name << "\":[";
  for (std::size_t i = 0; i < values.size(); ++i) std::cout << (i == 0 ? "" : ",") << values[i];
  std::cout << "]";
}

Wall::time_point at_ms(std::int64_t ms) { return Wall::time_point(std::chrono::milliseconds(ms)); }

void run(const switchgear::Circuit& circuit, double rate, const Phase& phase) {
  std::vector<double> failed;
  std::vector<double> us;
  int asked = 0;
  int healthy = 0;
  std::mt19937 random(std::random_device{}());
  std::uniform_real_distribution<> chance(0, 1);
  const auto gap =
      std::chrono::duration_cast<Wall::duration>(std::chrono::duration<double>(1) / rate);
  auto due =
      at_ms(phase.begin_ms) + std::chrono::duration_cast<Wall::duration>(gap * chance(random));
  const auto dependency = [&] {
    const auto now = Wall::now();
    if (now < at_ms(phase.fail_from_ms)) ++healthy;
    if (now < at_ms(phase.fail_from_ms) || chance(random) >= phase.fail_share) {
      return switchgear::Outcome::success;
    }
    failed.push_back(Ms(now - at_ms(phase.fail_from_ms)).count());
    return switchgear::Outcome::failure;
  };
  for (;;) {
    std::this_thread::sleep_until(due);
    // What was missed meanwhile is not made up for.
    due = std::max(due, Wall::now() - 100ms) + gap;
    if (Wall::now() >= at_ms(phase.end_ms)) break;
    ++asked;
    const auto before = std::chrono::steady_clock::now();
    circuit.run(dependency,
                [](const switchgear::Refusal&) { return switchgear::Outcome::ignored; });
    us.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before)
            .count());
  }
  std::cout << "{\"asked\":" << asked << ",\"healthy\":" << healthy << ",\"errors\":0";
  write("failed_ms", failed);
  write("us", us);
  std::cout << "}" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: paced switchgear-redis HOST:PORT NAME CALLS_PER_SECOND\n";
    return 2;
  }
  try {
    auto circuits = switchgear::open("redis://" + std::string(argv[2]));
    // The others stay open for a minute by default, too.
    const auto circuit =
        circuits.circuit(argv[3], {.open_duration = 60s, .max_open_duration = 60s});
    std::cout << "ready" << std::endl;
    for (Phase phase{};
         std::cin >> phase.begin_ms >> phase.fail_from_ms >> phase.end_ms >> phase.fail_share;) {
      run(circuit, std::stod(argv[4]), phase);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
