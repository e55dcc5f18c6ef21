#include "lab/fleet_figures.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
using namespace switchgear;
using namespace switchgear::lab;
int main(int argc, char** argv) {
  const int seeds = argc > 1 ? std::atoi(argv[1]) : 3;
  const bool sick = argc > 2;
  struct Row {
    const char* name;
    FleetShape shape;
    double p0;
    Reading reading;
    Duration refresh;
    double thin;
  };
  const Row rows[] = {
      {"2 fast", fast_workers(2), .005, Reading::before, 5s, 5000},
      {"4 fast", fast_workers(4), .005, Reading::before, 5s, 5000},
      {"4 fast 3%", fast_workers(4), .03, Reading::before, 5s, 5000},
      {"50 fast", fast_workers(50), .005, Reading::before, 5s, 5000},
      {"50 fast thin", fast_workers(50), .005, Reading::before, 5s, 500},
      {"5", lambda_like(5), .005, Reading::before, 5s, 5000},
      {"20", lambda_like(20), .005, Reading::before, 5s, 5000},
      {"50", lambda_like(50), .005, Reading::before, 5s, 5000},
      {"1000", lambda_like(1000), .005, Reading::before, 5s, 5000},
      {"1000 1s", lambda_like(1000), .005, Reading::before, 1s, 5000},
      {"1000 beside", lambda_like(1000), .005, Reading::beside, 5s, 5000},
      {"1000 beside 1s", lambda_like(1000), .005, Reading::beside, 1s, 5000},
      {"1000 push", lambda_like(1000), .005, Reading::pushed, 5s, 5000},
      {"1000 3%", lambda_like(1000), .03, Reading::before, 5s, 5000},
      {"10000", lambda_like(10000), .005, Reading::before, 5s, 5000},
  };
  const double rates[] = {1, .5, .2};
  for (const Row& row : rows) {
    for (int s = 1; s <= seeds; ++s) {
      const auto begin = std::chrono::steady_clock::now();
      const FleetOptions o{.shape = row.shape,
                           .background = row.p0,
                           .policy = measured_policy(row.refresh),
                           .reading = row.reading,
                           .thinning_rate = row.thin,
                           .seed = (std::uint64_t)s};
      const FleetFigures f = measure_fleet(o, rates);
      const double took =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      std::printf("%-14s %d: %.0f c/s %.1f w/s %.0f r/s est %.2f n %.0f start %llu false %d |",
                  row.name, s, f.calls_per_second, f.writes_per_second, f.reads_per_second,
                  f.estimated_rate, f.estimated_members, (unsigned long long)f.writes_at_start,
                  f.false_trip);
      for (auto& n : f.onsets)
        std::printf(" %s%.2f, %llu |", n.opened ? "" : "NOT ", n.seconds,
                    (unsigned long long)n.calls);
      std::printf(" %.1f s", took);
      if (sick) {
        const auto b2 = std::chrono::steady_clock::now();
        std::printf(" sick %d %d", sick_process_opens(o, false), sick_process_opens(o, true));
        std::printf(" %.1f s",
                    std::chrono::duration<double>(std::chrono::steady_clock::now() - b2).count());
      }
      std::printf("\n");
      std::fflush(stdout);
    }
  }
}
