#include "lab/world.h"

#include <cmath>
#include <cstdio>

namespace switchgear::lab {

namespace {
constexpr int kOperator = -1;
}

World::World(const WorldOptions& o)
    : options(o),
      random(core::mix64(o.seed)),
      store(scheduler, random),
      dependency(scheduler, random, o.dependency),
      table(o.policy),
      site{.scheduler = scheduler,
           .random = random,
           .store = store,
           .dependency = dependency,
           .table = table,
           .member = o.member,
           .observer = &nobody_} {}

Process& World::add_process() {
  const double rate = 1 + options.clock_drift * random.between(-1, 1);
  const auto skew = std::chrono::duration_cast<Duration>(options.wall_skew * random.between(-1, 1));
  return add_process(rate, skew);
}

Process& World::add_process(Duration wall_off) {
  return add_process(1 + options.clock_drift * random.between(-1, 1), wall_off);
}

Process& World::add_process(double rate, Duration wall_off) {
  const int index = static_cast<int>(processes.size());
  processes.push_back(std::make_unique<Process>(site, index, options.seed,
                                                LocalClocks(scheduler.now(), rate, wall_off)));
  return *processes.back();
}

std::vector<Process*> World::living() {
  std::vector<Process*> result;
  for (const auto& p : processes) {
    if (!p->dead()) result.push_back(p.get());
  }
  return result;
}

void World::call_at_random(Process& process, double per_second) {
  const double wait = -std::log(1 - random.unit()) / per_second;
  scheduler.after(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait)),
                  [this, &process, per_second] {
                    if (process.dead()) return;
                    // A stopped process makes no calls; they are not made up for.
                    if (!process.stopped()) {
                      process.run([&] {
                        const auto refusal = process.try_call([this](Outcome outcome) {
                          outcomes[static_cast<std::size_t>(outcome)]++;
                        });
                        if (refusal && refusal->reason != fleet::RefusalReason::stale_view) {
                          refusals++;
                          last_refusal = "process " + std::to_string(process.index()) + ": " +
                                         std::string(to_string(refusal->reason));
                        }
                      });
                    }
                    call_at_random(process, per_second);
                  });
}

void World::hold(fleet::Hold hold) {
  const fleet::Decider person{.instance = {1}, .nonce = random.next()};
  const fleet::Snapshot now = store.snapshot();
  if (now.record && !now.readable()) return;
  const fleet::SwapOp op = hold.kind == HoldKind::none
                               ? fleet::release_hold(table, now, person, hold.who)
                               : fleet::set_hold(table, now, person, std::move(hold));
  store.execute(kOperator, op);
}

const fleet::Record* World::stored() {
  looked_ = store.snapshot();
  return looked_.readable();
}

std::string seconds_text(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", to_seconds(d));
  return text;
}

void World::note(const std::string& text) {
  if (!tracing) return;
  trace_.push_back(seconds_text(scheduler.now()) + "  " + text);
  if (trace_.size() > kTraceMax) trace_.pop_front();
}

std::string World::trace() const {
  std::string text;
  for (const std::string& line : trace_) text += "  " + line + "\n";
  return text;
}

}  // namespace switchgear::lab
