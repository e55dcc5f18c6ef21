#include "lab/process.h"

#include <utility>

namespace switchgear::lab {

namespace {
fleet::InstanceId instance_of(std::uint64_t seed, int index) {
  const auto salt = static_cast<std::uint64_t>(index);
  return {core::hash2(seed, salt) & ((std::uint64_t{1} << 48) - 1)};
}
}  // namespace

Process::Process(Site& site, int index, std::uint64_t seed, const LocalClocks& clocks)
    : site_(site),
      dependency_(&site.dependency),
      index_(index),
      clocks_(clocks),
      member_(site.table, site.member, instance_of(seed, index), seed,
              clocks_.read(site.scheduler.now())) {}

void Process::run(Scheduler::Task task) {
  if (dead_) return;
  if (stopped_) {
    postponed_.push_back(std::move(task));
    return;
  }
  task();
  if (!dead_ && !stopped_) pump();
}

void Process::pump() {
  const Now time = now();
  bool sent = false;
  if (auto operation = member_.next_operation(time)) {
    sent = true;
    site_.observer->sent(*this, *operation);
    site_.store.send(index_, *operation, [this, op = *operation](SimStore::Reply answer) {
      run([this, op, answer = std::move(answer)] {
        if (answer) {
          member_.answered(*answer, now());
        } else {
          member_.store_failed(now(), answer.error());
        }
        site_.observer->answered(*this, op, answer ? &*answer : nullptr);
      });
    });
  }
  const Duration wait = member_.until_next(time);
  site_.observer->ran(*this, wait == Duration::zero() && !sent);
  if (wait == Duration::max()) return;
  const TrueTime wake = site_.scheduler.now() + std::max<Duration>(wait, 1us);
  if (wake_at_ && *wake_at_ <= wake) return;
  wake_at_ = wake;
  site_.scheduler.at(wake, [this, wake] {
    if (wake_at_ != wake) return;
    wake_at_.reset();
    run([] {});
  });
}

fleet::Admission Process::admit() {
  fleet::Admission admission = member_.admit(now());
  site_.observer->admitted(*this, admission);
  return admission;
}

std::optional<fleet::Refusal> Process::try_call(Done done) {
  const fleet::Admission admission = admit();
  if (const auto* refusal = std::get_if<fleet::Refusal>(&admission)) return *refusal;
  start(std::get<fleet::Permit>(admission), std::move(done));
  return std::nullopt;
}

void Process::start(const fleet::Permit& permit, Done done) {
  if (!member_.may_start(permit, now())) {
    member_.finish(permit, Outcome::ignored, 0s, now());
    done(Outcome::ignored);
    return;
  }
  if (permit.kind == fleet::PermitKind::probe && site_.random.chance(site_.stop_before_probe)) {
    const Duration lease = fleet::probe_lease(site_.table.policy().call_timeout);
    const auto length = std::chrono::duration_cast<Duration>(3 * lease * site_.random.unit());
    stop(site_.random.chance(0.5) ? Standstill::local : Standstill::none, length);
    postponed_.push_front([this, permit, done = std::move(done)] { send(permit, true, done); });
    return;
  }
  send(permit, false, std::move(done));
}

void Process::send(const fleet::Permit& permit, bool stopped, Done done) {
  auto call = std::make_shared<SimCall>(SimCall{.id = site_.next_call++,
                                                .process = index_,
                                                .permit = permit,
                                                .started = site_.scheduler.now(),
                                                .started_mono = now().mono,
                                                .stopped_before_start = stopped});
  ++calls_out_;
  site_.observer->call_started(*this, *call);
  dependency_->call([this, call, done](Outcome outcome) {
    site_.observer->call_left_dependency(*call);
    if (call->open) run([=, this] { end(call, outcome, done); });
  });
  site_.scheduler.after(site_.table.policy().call_timeout, [this, call, done = std::move(done)] {
    if (call->open) run([=, this] { end(call, Outcome::overload, done); });
  });
}

void Process::end(const std::shared_ptr<SimCall>& call, Outcome outcome, const Done& done) {
  if (!call->open) return;
  call->open = false;
  --calls_out_;
  const Now time = now();
  const bool bad = outcome == Outcome::failure || outcome == Outcome::overload;
  if (bad && site_.asks_to_wait > 0s) member_.asked_to_wait(site_.asks_to_wait, time);
  member_.finish(call->permit, outcome, time.mono - call->started_mono, time);
  site_.observer->call_finished(*this, *call, outcome);
  done(outcome);
}

void Process::stop(Standstill which, Duration length) {
  if (stopped_ || dead_) return;
  stopped_ = true;
  clocks_.stand_still(site_.scheduler.now(), which);
  site_.scheduler.after(length, [this] { resume(); });
}

void Process::resume() {
  if (!stopped_) return;
  stopped_ = false;
  clocks_.stand_still(site_.scheduler.now(), Standstill::none);
  if (dead_) return;
  auto tasks = std::exchange(postponed_, {});
  while (!tasks.empty()) {
    auto task = std::move(tasks.front());
    tasks.pop_front();
    run(std::move(task));  // one of them may stop the process again; the rest then waits on
  }
  run([] {});
}

}  // namespace switchgear::lab
