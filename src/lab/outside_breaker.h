// Breakers that stand outside of the function and switch its mapping: the shipped reconciler, and
// what the code of two public samples does.
#pragma once

#include <memory>
#include <string_view>

#include "controller/options.h"
#include "controller/reconciler.h"
#include "lab/mapping_world.h"

namespace switchgear::lab {

class OutsideBreaker {
 public:
  virtual ~OutsideBreaker() = default;
  // As its owner would name it: "OPEN"; empty where there is no such thing.
  virtual State state() const = 0;
};

// `woken`: a function that a schedule starts each minute and news of an alarm in between, ended
// after 55 s, instead of a daemon. The world and the table outlive it.
struct ReconcilerRuns {
  controller::CircuitOptions circuit;
  bool woken = false;
};
std::unique_ptr<OutsideBreaker> shipped_breaker(MappingWorld& world,
                                                const fleet::PolicyTable& table,
                                                ReconcilerRuns runs);

// github.com/chgerkens/lambda-circuit-breaker at 37f06b3, template.yml and src/handlers.
std::unique_ptr<OutsideBreaker> gerkens_breaker(MappingWorld& world);
// github.com/aws-samples/serverless-circuit-breaker-stepfunctions at 4ff7a86, cdk/lib.
std::unique_ptr<OutsideBreaker> stepfunctions_breaker(MappingWorld& world);

}  // namespace switchgear::lab
