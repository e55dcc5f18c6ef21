#include "lab/recovery_figures.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
using namespace switchgear;
using namespace switchgear::lab;
int main(int argc, char** argv) {
  const int seeds = argc > 1 ? std::atoi(argv[1]) : 1;
  const std::uint64_t backlog = argc > 2 ? std::atoi(argv[2]) : 40000;
  for (const auto& fleet : {kFourWorkers, kEnvironments})
    for (Profile p : kProfiles)
      for (int s = 1; s <= seeds; ++s)
        for (bool relapse : {false, true}) {
          const auto begin = std::chrono::steady_clock::now();
          const auto o = relapse ? relapse_options(p, fleet, backlog, s)
                                 : recovery_options(p, fleet, backlog, s);
          const auto r = run_outage(o);
          const double took =
              std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
          std::printf(
              "%-28s %-7s %d %s: drained %d %.0f / %.0f = %.3f trips %d calls %llu failed %llu "
              "reopened %.1f calls %llu  (%.1f s)\n",
              fleet.name.data(), to_string(p).data(), s, relapse ? "relapse" : "", r.drained,
              r.drain_seconds, r.drain_seconds_ideal, r.drain_seconds / r.drain_seconds_ideal,
              r.trips, (unsigned long long)r.calls, (unsigned long long)r.failed_calls,
              r.relapse_reopened_seconds, (unsigned long long)r.relapse_calls, took);
          std::fflush(stdout);
        }
}
