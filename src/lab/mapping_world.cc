#include "lab/mapping_world.h"

#include <algorithm>
#include <utility>

#include "lab/local_clocks.h"

namespace switchgear::lab {

namespace {

constexpr Duration kPoll = 100ms;
// A mapping settles within so long.
constexpr Duration kChangeLeast = 5s;
constexpr Duration kChangeMost = 15s;
// Until a minute that has ended can be seen: up to a minute.
constexpr Duration kLagLeast = 15s;
constexpr Duration kLagMost = 60s;

Duration between(core::Random& random, Duration least, Duration most) {
  return std::chrono::duration_cast<Duration>(least + (most - least) * random.unit());
}

queue::QueueAttributes attributes_of(const MappingWorldOptions& o) {
  queue::QueueAttributes a{
      .arn = MappingWorld::kQueueArn,
      .redrive = queue::RedrivePolicy{o.max_receive_count,
                                      "arn:aws:sqs:eu-central-1:123456789012:orders-dead"},
      .visibility_timeout = std::chrono::duration_cast<std::chrono::seconds>(o.visibility),
      .retention = std::chrono::duration_cast<std::chrono::seconds>(o.retention)};
  a.redrive_text = queue::redrive_policy_text(*a.redrive);
  return a;
}

}  // namespace

MappingWorld::MappingWorld(const MappingWorldOptions& options)
    : random(core::hash2(options.seed, 0x6d617070696e67)),
      queue(attributes_of(options)),
      options_(options),
      mapping_{
          .uuid = kUuid,
          .arn =
              std::string("arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:") + kUuid,
          .function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders",
          .source_arn = kQueueArn,
          .settings = {.enabled = true,
                       .limit = options.concurrency,
                       .batch_size = options.batch,
                       .window_s = 0,
                       .parallelization_factor = {}}},
      in_force_(mapping_.settings),
      events_alarm_(options.alarm, events_, between(random, kLagLeast, kLagMost)),
      function_alarm_(options.alarm, function_, between(random, kLagLeast, kLagMost)) {
  scheduler.after(kPoll, [this] { arrive(); });
  scheduler.after(kPoll, [this] { poll(); });
  scheduler.after(between(random, 1s, 60s), [this] { evaluate_alarms(); });
}

Now MappingWorld::clocks() const {
  return {MonoTime{1'000s + now()}, BootTime{2'000s + now()}, WallTime{kEpochStart + now()}};
}
StoreTime MappingWorld::store_time() const { return StoreTime{floor_ms(kEpochStart + now())}; }

// ---- The mapping --------------------------------------------------------------------------------

Result<controller::Mapping> MappingWorld::update(const controller::Settings& settings) {
  if (mapping_.changing) {
    return Error{"ResourceInUseException", "the mapping is being updated", true, "lambda"};
  }
  controller::Settings& s = mapping_.settings;
  s.enabled = settings.enabled;
  s.limit = settings.limit;
  if (settings.batch_size) s.batch_size = settings.batch_size;
  if (settings.window_s) s.window_s = settings.window_s;
  mapping_.changing = true;
  scheduler.after(between(random, kChangeLeast, kChangeMost), [this] {
    mapping_.changing = false;
    in_force_ = mapping_.settings;
  });
  return mapping_;
}

int MappingWorld::admitted() const {
  return in_force_.enabled ? in_force_.limit.value_or(1'000) : 0;
}

bool MappingWorld::as_before() const {
  return in_force_.enabled && in_force_.limit == options_.concurrency &&
         in_force_.batch_size == options_.batch && !mapping_.changing;
}

void MappingWorld::arrive() {
  double rate = 0;
  for (const Traffic& t : options_.traffic) {
    if (t.at <= now()) rate = t.per_second;
  }
  owed_ += rate * to_seconds(kPoll);
  for (; owed_ >= 1; owed_ -= 1) queue.send(now());
  queue.expire(now());
  scheduler.after(kPoll, [this] { arrive(); });
}

void MappingWorld::poll() {
  while (by_mapping_ < admitted()) {
    auto batch = queue.receive(in_force_.batch_size.value_or(10),
                               queue.attributes().visibility_timeout, now());
    if (batch.empty()) break;
    ++by_mapping_;
    const int messages = static_cast<int>(batch.size());
    invoke(messages, true, [this, batch = std::move(batch)](bool ok) {
      --by_mapping_;
      for (const queue::Message& message : batch) {
        if (!ok || !queue.remove(message.receipt_handle)) ++counts_.burnt;
      }
    });
  }
  scheduler.after(kPoll, [this] { poll(); });
}

// ---- The function -------------------------------------------------------------------------------

void MappingWorld::invoke(int messages, bool by_mapping, Done done) {
  ++counts_.invocations;
  Environment& environment = free_environment();
  environment.busy = true;
  const TrueTime began = now();
  call(environment, [=, this, &environment, done = std::move(done)](bool ok) {
    environment.busy = false;
    counts_.failed += !ok;
    const auto events = static_cast<std::uint64_t>(messages);
    if (by_mapping) events_.add(began, events, ok ? 0 : events);
    function_.add(began, 1, !ok);
    done(ok);
  });
}

MappingWorld::Environment& MappingWorld::free_environment() {
  std::vector<Environment*> idle;
  for (auto& environment : environments_) {
    if (!environment->busy) idle.push_back(environment.get());
  }
  if (!idle.empty()) return *idle[options_.first_environment ? 0 : random.below(idle.size())];
  auto& made = environments_.emplace_back(std::make_unique<Environment>());
  if (options_.library) {
    const std::uint64_t seed = random.next();
    made->member = std::make_unique<fleet::Member>(
        *options_.library, fleet::MemberOptions{},
        fleet::InstanceId{seed & ((std::uint64_t{1} << 48) - 1)}, seed, clocks());
    // As the extension does: a first view before the first call.
    if (auto operation = made->member->next_operation(clocks())) {
      made->member->answered(store.execute(kCircuit, *operation, store_time()), clocks());
    }
  }
  return *made;
}

void MappingWorld::call(Environment& environment, Done done) {
  if (!environment.member) {
    return call_dependency([done = std::move(done)](bool ok, Duration) { done(ok); },
                           options_.function_timeout);
  }
  fleet::Member& member = *environment.member;
  const fleet::Admission admission = member.admit(clocks());
  const auto* permit = std::get_if<fleet::Permit>(&admission);
  if (permit && !member.may_start(*permit, clocks())) {
    member.give_back(*permit, clocks());
    permit = nullptr;
  }
  pump(environment);
  if (!permit) {
    ++counts_.refused;
    scheduler.after(kAnswer, [done = std::move(done)] { done(false); });
    return;
  }
  call_dependency(
      [this, &environment, permit = *permit, done = std::move(done)](bool ok, Duration took) {
        const bool gave_up = took >= options_.library->policy().call_timeout;
        environment.member->finish(permit,
                                   ok        ? Outcome::success
                                   : gave_up ? Outcome::overload
                                             : Outcome::failure,
                                   took, clocks());
        pump(environment);
        done(ok);
      },
      options_.library->policy().call_timeout);
}

// Whoever calls gives up after `patience`.
void MappingWorld::call_dependency(const std::function<void(bool, Duration)>& done,
                                   Duration patience) {
  const Health& h = health();
  const bool fails = calls_ >= h.capacity || random.chance(h.failing);
  const Duration took = h.hangs ? patience : fails ? options_.quick_failure : options_.service;
  const bool ok = !h.hangs && !fails;
  ++calls_;
  scheduler.after(took, [this, done, ok, took] {
    --calls_;
    done(ok, took);
  });
}

// What the library has to tell the store, and when it wants to be asked again.
void MappingWorld::pump(Environment& environment) {
  fleet::Member& member = *environment.member;
  if (auto operation = member.next_operation(clocks())) {
    scheduler.after(5ms, [this, &environment, op = std::move(*operation)] {
      environment.member->answered(store.execute(kCircuit, op, store_time()), clocks());
      pump(environment);
    });
  }
  const Duration wait = member.until_next(clocks());
  if (wait == Duration::max()) return;
  const TrueTime wake = now() + std::max<Duration>(wait, 1ms);
  if (environment.wakes && environment.wake_at <= wake) return;
  environment.wakes = true;
  environment.wake_at = wake;
  scheduler.at(wake, [this, &environment, wake] {
    if (environment.wake_at != wake) return;
    environment.wakes = false;
    pump(environment);
  });
}

const Health& MappingWorld::health() const {
  static const Health kWell;
  const Health* current = &kWell;
  for (const Health& h : options_.health) {
    if (h.at <= now()) current = &h;
  }
  return *current;
}

// ---- CloudWatch ---------------------------------------------------------------------------------

void MappingWorld::evaluate_alarms() {
  for (MinuteAlarm* alarm : {&events_alarm_, &function_alarm_}) {
    const AlarmState from = alarm->view().state;
    // One alarm's news is enough: both are looked at by whoever is woken.
    if (alarm->evaluate(now()) && alarm == &function_alarm_) tell(from, alarm->view().state);
  }
  scheduler.after(60s, [this] { evaluate_alarms(); });
}

void MappingWorld::tell(AlarmState from, AlarmState to) {
  if (random.chance(options_.news.lost)) return;
  Duration delay = between(random, options_.news.delay_least, options_.news.delay_most);
  late_ = !late_;
  if (options_.news.reordered && late_) delay += 90s;
  scheduler.after(delay, [this, from, to] {
    if (on_alarm) on_alarm(from, to);
  });
}

}  // namespace switchgear::lab
