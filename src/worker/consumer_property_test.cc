// The consumer against a queue and a circuit that do what real ones do, in virtual time: several
// consumers share one circuit through a store in memory; the queue hides, counts, dead-letters and
// refuses; the handler's dependency fails for a while. Each seed is another history.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "core/random.h"
#include "stores/memory_store.h"
#include "worker/consumer.h"

namespace switchgear::worker {
namespace {

using std::chrono::seconds;

struct Stored {
  int receive_count = 0;
  Duration visible_at{0};
  std::string receipt;
};

class World {
 public:
  World(std::uint64_t seed, int consumers, int concurrency, double trouble)
      : random(seed), trouble_(trouble), table_(policy()) {
    ConsumerOptions options;
    options.concurrency = concurrency;
    options.handler_timeout = 2s;
    options.visibility_margin = 20s;
    options.backoff = {.base = 2s, .cap = 1min, .jitter = core::Jitter::equal};
    options.receive_wait = seconds(5);
    options.shutdown_grace = 5s;
    for (int i = 0; i < consumers; i++) {
      auto one = std::make_unique<One>();
      one->member = std::make_unique<fleet::Member>(table_, fleet::MemberOptions{},
                                                    fleet::InstanceId{random.next() >> 16},
                                                    random.next(), now());
      one->port = std::make_unique<MemberPort>(*one->member);
      one->consumer = std::make_unique<Consumer>(options, *one->port, random.next());
      ones.push_back(std::move(one));
    }
  }

  static Policy policy() {
    Policy policy;
    policy.open_duration = 1s;
    policy.max_open_duration = 4s;
    policy.call_timeout = 2s;
    policy.recovery_quiet_duration = 6s;
    return policy;
  }

  struct One {
    std::unique_ptr<fleet::Member> member;
    std::unique_ptr<MemberPort> port;
    std::unique_ptr<Consumer> consumer;
    Duration next_tick{0};
    Duration next_member{0};
    bool storing = false;
    std::set<CallId> calls;
  };

  Now now() const {
    return Now{MonoTime(1h + time), BootTime(1h + time), WallTime(1'700'000'000s + time)};
  }
  void later(Duration delay, std::function<void()> what) {
    events_.emplace(std::pair{time + delay, order_++}, std::move(what));
  }
  void send(int count) {
    for (int i = 0; i < count; i++) queue["m" + std::to_string(sent++)] = Stored{};
  }

  // Until `end`, everything in the order of its time.
  void run_until(Duration end) {
    while (time < end) {
      Duration next = end;
      if (!events_.empty()) next = std::min(next, events_.begin()->first.first);
      for (const auto& one : ones) next = std::min({next, one->next_tick, one->next_member});
      time = std::max(time, next);
      while (!events_.empty() && events_.begin()->first.first <= time) {
        const auto what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
      }
      for (const auto& one : ones) {
        if (one->next_member <= time) drive_member(*one);
        if (one->next_tick <= time) {
          one->consumer->tick(now());
          carry_out(*one);
        }
      }
      check();
    }
  }

  void drive_member(One& one) {
    one.next_member = time + 1h;
    if (one.storing) return;
    if (const auto operation = one.member->next_operation(now())) {
      one.storing = true;
      const auto latency = std::chrono::milliseconds(1 + random.below(5));
      later(latency, [this, &one, op = *operation] {
        const fleet::Answer answer = memory.execute("c", op, store_time());
        later(1ms, [this, &one, answer] {
          one.storing = false;
          one.member->answered(answer, now());
          one.consumer->circuit_changed(now());
          carry_out(one);
        });
      });
      return;
    }
    const Duration wait = one.member->until_next(now());
    one.next_member = time + std::clamp<Duration>(wait, 1ms, 1h);
  }

  void carry_out(One& one) {
    for (const Action& action : one.consumer->take_actions()) {
      if (const auto* a = std::get_if<ReadAttributesAction>(&action)) {
        (void)a;
        queue::QueueAttributes attributes;
        attributes.redrive = queue::RedrivePolicy{5, "arn"};
        later(5ms, [this, &one, attributes] {
          one.consumer->queue_attributes(attributes, now());
          carry_out(one);
        });
      } else if (const auto* r = std::get_if<ReceiveAction>(&action)) {
        EXPECT_LE(r->max, 10);
        poll(one, *r, time + r->wait);
      } else if (const auto* c = std::get_if<CallAction>(&action)) {
        call(one, *c);
      } else if (const auto* x = std::get_if<CancelCallAction>(&action)) {
        one.calls.erase(x->id);
      } else if (const auto* d = std::get_if<DeleteAction>(&action)) {
        EXPECT_LE(d->entries.size(), 10u);
        later(5ms, [this, &one, d = *d] { carry_out_delete(one, d); });
      } else if (const auto* v = std::get_if<VisibilityAction>(&action)) {
        EXPECT_LE(v->entries.size(), 10u);
        later(5ms, [this, &one, v = *v] { carry_out_change(one, v); });
      } else if (const auto* y = std::get_if<CancelReceiveAction>(&action)) {
        cancelled_.insert({&one, y->id});
      }
    }
    (void)one.consumer->take_notices();
    one.next_tick = time + std::max<Duration>(one.consumer->until_tick(now()), 1ms);
    one.next_member = std::min(one.next_member, time);
  }

  void poll(One& one, const ReceiveAction& action, Duration until) {
    const bool cancelled = cancelled_.contains({&one, action.id});
    if (cancelled || random.chance(trouble_)) {
      later(2ms, [this, &one, action] {
        one.consumer->received(action.id, Error{"connect", "no", true, "sqs"}, now());
        carry_out(one);
      });
      return;
    }
    std::vector<queue::Message> messages;
    for (auto it = queue.begin(); it != queue.end();) {
      auto& [id, stored] = *it;
      if (static_cast<int>(messages.size()) >= action.max || stored.visible_at > time ||
          random.chance(0.3)) {
        ++it;
        continue;
      }
      if (++stored.receive_count > 5) {
        dead.insert(id);
        it = queue.erase(it);
        continue;
      }
      stored.visible_at = time + action.visibility;
      stored.receipt = id + "#" + std::to_string(order_++);
      queue::Message message;
      message.id = id;
      message.receipt_handle = stored.receipt;
      message.receive_count = stored.receive_count;
      messages.push_back(std::move(message));
      ++it;
    }
    if (messages.empty() && time < until) {
      later(100ms, [this, &one, action, until] { poll(one, action, until); });
      return;
    }
    later(3ms, [this, &one, action, messages] {
      one.consumer->received(action.id, messages, now());
      carry_out(one);
    });
  }

  void call(One& one, const CallAction& action) {
    calls++;
    const State shared = store_state();
    if (shared == State::half_open) calls_in_half_open++;
    one.calls.insert(action.id);
    in_flight_++;
    const bool scout = one.member->state() == State::half_open;
    scouts_ += scout;
    most_scouts = std::max(most_scouts, scouts_);
    const bool down = time >= down_from && time < down_to;
    const bool poison = !down && random.chance(poison_rate);
    HandlerAnswer answer{.status = poison ? 422 : 200};
    Duration takes = std::chrono::milliseconds(20 + random.below(100));
    if (down) {
      answer.status = 500;
      if (random.chance(0.3)) {
        answer = HandlerAnswer{.kind = HandlerAnswer::Kind::timeout};
        takes = 2s;
      }
    }
    if (answer.status == 200) done_.insert(action.message.id);
    later(takes, [this, &one, id = action.id, answer, scout] {
      in_flight_--;
      scouts_ -= scout;
      if (one.calls.erase(id) == 0) return;
      one.consumer->handled(id, answer, now());
      carry_out(one);
    });
  }

  void carry_out_delete(One& one, const DeleteAction& action) {
    Result<std::vector<EntryFailure>> result = std::vector<EntryFailure>{};
    if (random.chance(trouble_)) {
      result = Error{"connect", "no", true, "sqs"};
    } else {
      for (std::size_t i = 0; i < action.entries.size(); i++) {
        const DeleteEntry& entry = action.entries[i];
        EXPECT_TRUE(done_.contains(entry.message_id)) << "deleted without a 2xx";
        if (random.chance(trouble_)) {
          result->push_back({.index = i, .code = "InternalError", .retryable = true});
          continue;
        }
        const auto found = queue.find(entry.message_id);
        if (found != queue.end()) queue.erase(found);
      }
    }
    one.consumer->deleted(action.id, result, now());
    carry_out(one);
  }

  void carry_out_change(One& one, const VisibilityAction& action) {
    Result<std::vector<EntryFailure>> result = std::vector<EntryFailure>{};
    if (random.chance(trouble_)) {
      result = Error{"connect", "no", true, "sqs"};
    } else {
      for (std::size_t i = 0; i < action.entries.size(); i++) {
        const VisibilityEntry& entry = action.entries[i];
        EXPECT_GE(entry.visibility, 0s);
        EXPECT_LE(entry.visibility, seconds(43'195));
        const auto found = queue.find(entry.message_id);
        if (found == queue.end() || found->second.receipt != entry.receipt_handle) {
          result->push_back({.index = i, .code = "MessageNotInflight"});
          continue;
        }
        found->second.visible_at = time + entry.visibility;
      }
    }
    one.consumer->visibility_changed(action.id, result, now());
    carry_out(one);
  }

  void check() {
    for (const auto& one : ones) {
      ASSERT_LE(one->consumer->in_flight(), concurrency_max);
    }
    ASSERT_LE(most_scouts, policy().probes);
  }

  StoreTime store_time() const { return store_time_ms(1'700'000'000'000 + floor_ms(time).count()); }
  State store_state() {
    const fleet::Answer answer = memory.execute("c", fleet::ReadOp{}, store_time());
    const fleet::Record* record = answer.snapshot.readable();
    return record == nullptr ? State::closed : record->state;
  }

  core::Random random;
  Duration time{0};
  Duration down_from{1'000'000s};
  Duration down_to{1'000'000s};
  double poison_rate = 0;
  int concurrency_max = 1'000;
  int sent = 0;
  int calls = 0;
  int calls_in_half_open = 0;
  int most_scouts = 0;
  std::map<std::string, Stored> queue;
  std::set<std::string> dead;
  std::vector<std::unique_ptr<One>> ones;
  stores::MemoryTable memory;

 private:
  double trouble_;
  fleet::PolicyTable table_;
  std::multimap<std::pair<Duration, std::uint64_t>, std::function<void()>> events_;
  std::uint64_t order_ = 0;
  std::set<std::pair<One*, ReceiveId>> cancelled_;
  std::set<std::string> done_;
  int in_flight_ = 0;
  int scouts_ = 0;
};

class ConsumerHistory : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ConsumerHistory, EveryMessageIsDoneWhateverTheQueueDoes) {
  World world(GetParam(), 2, 8, 0.05);
  world.concurrency_max = 8;
  world.send(300);
  world.run_until(400s);
  EXPECT_TRUE(world.queue.empty()) << world.queue.size() << " left";
  EXPECT_TRUE(world.dead.empty());
}

TEST_P(ConsumerHistory, AnOutageDeadLettersNothingAndProbesKeepToTheirSlots) {
  World world(GetParam(), 4, 10, 0);
  world.concurrency_max = 10;
  world.down_from = 1s;
  world.down_to = 121s;  // about 30 rounds of probes
  world.send(1'500);
  world.run_until(120s);
  EXPECT_EQ(world.dead.size(), 0u);
  EXPECT_GT(world.queue.size(), 300u);
  EXPECT_GT(world.calls_in_half_open, 15);
  world.run_until(400s);
  EXPECT_TRUE(world.queue.empty()) << world.queue.size() << " left";
  EXPECT_TRUE(world.dead.empty());
}

TEST_P(ConsumerHistory, AFewMessagesSurviveALongOutageToo) {
  World world(GetParam(), 2, 10, 0);
  world.down_from = 0s;
  world.down_to = 300s;
  world.send(40);
  world.run_until(300s);
  EXPECT_TRUE(world.dead.empty());
  world.run_until(900s);
  EXPECT_TRUE(world.queue.empty()) << world.queue.size() << " left";
  EXPECT_TRUE(world.dead.empty());
}

TEST_P(ConsumerHistory, Scenario26PoisonMessagesDoNotOpenTheCircuit) {
  World world(GetParam(), 2, 10, 0);
  world.poison_rate = 0.3;
  world.send(500);
  world.run_until(300s);
  for (const auto& one : world.ones) EXPECT_EQ(one->consumer->counters().pauses, 0u);
}

TEST_P(ConsumerHistory, StoppingLosesNothing) {
  World world(GetParam(), 2, 8, 0.05);
  world.send(2'000);
  world.run_until(2s);
  for (const auto& one : world.ones) {
    one->consumer->stop(world.now());
    world.carry_out(*one);
  }
  world.run_until(15s);
  for (const auto& one : world.ones) {
    EXPECT_TRUE(one->consumer->finished());
    EXPECT_EQ(one->consumer->messages_held(), 0);
  }
  world.run_until(120s);  // whatever could not be given back becomes visible by itself
  for (const auto& [id, stored] : world.queue) EXPECT_LE(stored.visible_at, world.time) << id;
}

INSTANTIATE_TEST_SUITE_P(Seeds, ConsumerHistory, ::testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace switchgear::worker
