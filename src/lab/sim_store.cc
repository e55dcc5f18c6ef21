#include "lab/sim_store.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace switchgear::lab {

namespace {
// The operation that only looks: reads change nothing.
const fleet::Operation kRead = fleet::ReadOp{};
}  // namespace

Duration SimStore::one_way() {
  const double unit = -std::log(1 - random_.unit());
  Duration delay = network.latency_min + network.slow +
                   std::chrono::duration_cast<Duration>(network.latency_mean * unit);
  if (network.late > 0 && random_.chance(network.late)) {
    delay += std::chrono::duration_cast<Duration>(network.late_by * random_.unit());
  }
  return delay;
}

bool SimStore::reachable(int process) const {
  return !network.down && std::find(cut_off.begin(), cut_off.end(), process) == cut_off.end();
}

fleet::Answer SimStore::execute(int process, const fleet::Operation& operation) {
  ++operations;
  writes += !std::holds_alternative<fleet::ReadOp>(operation);
  fleet::Answer answer = execute_with ? execute_with(table_, kCircuit, operation, time())
                                      : table_.execute(kCircuit, operation, time());
  if (on_step) on_step(process, operation, answer);
  return answer;
}

fleet::Snapshot SimStore::snapshot() { return table_.execute(kCircuit, kRead, time()).snapshot; }

void SimStore::arrive(int process, const fleet::Operation& operation, std::shared_ptr<Done> done) {
  if (!reachable(process)) return;
  fleet::Answer answer = execute(process, operation);
  if (random_.chance(network.lost_reply)) return;
  scheduler_.after(one_way(), [this, process, done, answer = std::move(answer)] {
    if (!*done || !reachable(process)) return;
    std::exchange(*done, nullptr)(answer);
  });
}

void SimStore::send(int process, const fleet::Operation& operation, Done done) {
  // Empty once it has been called.
  auto once = std::make_shared<Done>(std::move(done));
  if (!reachable(process) && network.refusing) {
    scheduler_.after(network.latency_min, [once] { std::exchange(*once, nullptr)(std::nullopt); });
    return;
  }
  scheduler_.after(timeout, [once] {
    if (*once) std::exchange(*once, nullptr)(std::nullopt);
  });
  if (!random_.chance(network.lost_request)) {
    scheduler_.after(one_way(), [=, this] { arrive(process, operation, once); });
  }
  if (random_.chance(network.repeated)) {
    const auto later = std::chrono::duration_cast<Duration>(network.late_by * random_.unit());
    scheduler_.after(one_way() + later, [=, this] { arrive(process, operation, once); });
  }
}

}  // namespace switchgear::lab
