#include "lab/shrink.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"

namespace switchgear::lab {

namespace {

// Tries variations of the best life found so far, and keeps those that fail as it does.
class Shrinker {
 public:
  Shrinker(const ChaosOptions& failing, int runs_max) : best_(failing), runs_left_(runs_max) {
    best_result_ = run_chaos(best_);
    property_ = property_of(best_result_.violation);
    SG_ASSERT(!property_.empty());
    processes_before_ = best_result_.processes;
    faults_before_ = best_result_.faults.size();
  }

  Shrunk run() {
    // First the same faults by their list instead of by the seed.
    ChaosOptions listed = best_;
    listed.only = best_result_.faults;
    if (better(std::move(listed))) {
      bool smaller = true;
      while (smaller && runs_left_ > 0) {
        smaller = fewer_faults();
        smaller = fewer_processes() || smaller;
        smaller = no_noise() || smaller;
        smaller = shorter() || smaller;
      }
    }
    best_.tracing = true;
    Shrunk shrunk{.options = best_,
                  .result = run_chaos(best_),
                  .faults_before = faults_before_,
                  .processes_before = processes_before_,
                  .runs = runs_};
    return shrunk;
  }

 private:
  // Whether this one fails in the same way too; then it is the best from now on.
  bool better(ChaosOptions options) {
    if (runs_left_ <= 0) return false;
    --runs_left_;
    ++runs_;
    ChaosResult result = run_chaos(options);
    if (property_of(result.violation) != property_) return false;
    best_ = std::move(options);
    best_result_ = std::move(result);
    return true;
  }

  // Takes away half of the faults, a quarter, …, at last one by one.
  bool fewer_faults() {
    bool any = false;
    for (std::size_t chunk = std::max<std::size_t>(1, best_.only->size() / 2);; chunk /= 2) {
      for (std::size_t from = 0; from < best_.only->size();) {
        ChaosOptions options = best_;
        auto& faults = *options.only;
        const auto first = faults.begin() + static_cast<std::ptrdiff_t>(from);
        const std::size_t count = std::min(chunk, faults.size() - from);
        faults.erase(first, first + static_cast<std::ptrdiff_t>(count));
        if (better(std::move(options))) {
          any = true;
        } else {
          from += chunk;
        }
      }
      if (chunk <= 1) return any;
    }
  }

  bool fewer_processes() {
    for (const int size : {1, 2, 3, 4, 6, 10, 20}) {
      if (size >= best_result_.processes) return false;
      ChaosOptions options = best_;
      options.processes_max = size;
      if (better(std::move(options))) return true;
    }
    return false;
  }

  bool no_noise() {
    if (!best_.noise) return false;
    ChaosOptions options = best_;
    options.noise = false;
    return better(std::move(options));
  }

  // Lets faults end soon after the last has begun, and makes each shorter.
  bool shorter() {
    bool any = false;
    for (const Duration faults : {5s, 10s, 20s, 40s}) {
      if (faults >= best_.faults) break;
      ChaosOptions options = best_;
      options.faults = faults;
      if (better(std::move(options))) {
        any = true;
        break;
      }
    }
    for (std::size_t i = 0; i < best_.only->size(); ++i) {
      if ((*best_.only)[i].lasts < 1s) continue;
      ChaosOptions options = best_;
      (*options.only)[i].lasts /= 2;
      any = better(std::move(options)) || any;
    }
    return any;
  }

  ChaosOptions best_;
  ChaosResult best_result_;
  std::string property_;
  int runs_left_;
  int runs_ = 0;
  std::size_t faults_before_ = 0;
  int processes_before_ = 0;
};

}  // namespace

std::string property_of(const std::string& violation) {
  return violation.substr(0, violation.find_first_of(" :"));
}

Shrunk shrink(const ChaosOptions& failing, int runs_max) {
  return Shrinker(failing, runs_max).run();
}

std::string to_text(const Shrunk& shrunk) {
  const std::string seed = std::to_string(shrunk.options.seed);
  const ChaosResult& r = shrunk.result;
  std::string text = "seed " + seed + ": " + r.violation + "\n" + std::to_string(r.processes) +
                     (r.processes == 1 ? " process" : " processes") + " (of " +
                     std::to_string(shrunk.processes_before) + ") and " +
                     std::to_string(r.faults.size()) +
                     (r.faults.size() == 1 ? " fault" : " faults") + " (of " +
                     std::to_string(shrunk.faults_before) + ") are enough, " +
                     (shrunk.options.noise ? "with messages lost, late and repeated:\n"
                                           : "on a network that loses nothing:\n");
  for (const Fault& fault : r.faults) {
    text += "  " + seconds_text(fault.at) + "  " + describe(fault) + "\n";
  }
  return text + "The last events:\n" + r.trace + "Repeat with SWITCHGEAR_SEED=" + seed + ".";
}

}  // namespace switchgear::lab
