// A queue, the mapping that reads it, the function that it invokes, the dependency behind, and the
// alarms over their metrics, in virtual time: what a breaker that stands outside has to do with.
//
// Follows AWS's documents: a mapping takes seconds to change and goes on as before meanwhile, calls
// under way are not ended by that, alarms look once a minute at minutes that arrive late. It leaves
// out that Lambda's pollers slow down while a function fails. Never compared with AWS.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/mapping.h"
#include "core/random.h"
#include "core/result.h"
#include "fleet/member.h"
#include "lab/message_queue.h"
#include "lab/minute_alarm.h"
#include "lab/scheduler.h"
#include "stores/memory_store.h"

namespace switchgear::lab {

// How the dependency does from `at` on.
struct Health {
  TrueTime at{0};
  double failing = 0;    // share of the calls
  bool hangs = false;    // answers after the function's time-out only
  int capacity = 1'000;  // calls at a time; one more is turned away
  bool well() const { return failing == 0 && !hangs && capacity >= 1'000; }
};
// How many messages a second are sent from `at` on.
struct Traffic {
  TrueTime at{0};
  double per_second = 0;
};

// What becomes of the news that an alarm has changed.
struct AlarmNews {
  Duration delay_least = 1s;
  Duration delay_most = 3s;
  double lost = 0;         // share
  bool reordered = false;  // each second one overtakes the one before
};

struct MappingWorldOptions {
  std::uint64_t seed = 1;
  std::vector<Health> health;
  std::vector<Traffic> traffic;
  AlarmRule alarm;
  AlarmNews news;
  int concurrency = 10;
  int batch = 10;
  Duration function_timeout = 10s;
  Duration service = 300ms;
  Duration quick_failure = 100ms;
  Duration visibility = 60s;
  int max_receive_count = 5;
  Duration retention = std::chrono::days(4);
  // Whether the function's calls go through the library, one process for each call at a time.
  const fleet::PolicyTable* library = nullptr;
  // Which idle environment takes the next call, which Lambda does not document: any, or always the
  // first, so that one of them takes nearly all.
  bool first_environment = false;
};

struct MappingCounts {
  std::uint64_t invocations = 0;
  std::uint64_t failed = 0;   // trial messages included
  std::uint64_t refused = 0;  // of these: by the library, so that no call went out
  std::uint64_t burnt = 0;    // receives of messages that were not handled then
};

class MappingWorld {
 public:
  explicit MappingWorld(const MappingWorldOptions& options);
  MappingWorld(const MappingWorld&) = delete;
  MappingWorld& operator=(const MappingWorld&) = delete;

  static constexpr const char* kUuid = "00000000-0000-4000-8000-000000000001";
  static constexpr const char* kQueueArn = "arn:aws:sqs:eu-central-1:123456789012:orders";
  static constexpr const char* kCircuit = "payments";
  static constexpr Duration kAnswer = 40ms;  // of any call of AWS

  Scheduler scheduler;
  core::Random random;
  stores::MemoryTable store;
  MessageQueue queue;

  TrueTime now() const { return scheduler.now(); }
  Now clocks() const;
  StoreTime store_time() const;

  // ---- Lambda's control plane. ResourceInUseException while it is changing.
  Result<controller::Mapping> update(const controller::Settings& settings);
  const controller::Mapping& mapping() const { return mapping_; }
  std::map<std::string, std::string>& tags() { return tags_; }
  // Reads and limits as it really does now; 0: off.
  int admitted() const;
  bool as_before() const;

  // Of one invocation with so many messages: whether it went well.
  using Done = std::function<void(bool ok)>;
  void invoke(int messages, bool by_mapping, Done done);

  // ---- CloudWatch: of the mapping's events, and of the function's invocations.
  const MinuteAlarm& events_alarm() const { return events_alarm_; }
  const MinuteAlarm& function_alarm() const { return function_alarm_; }
  // Is told the news: the state that an alarm left, and the one it went to.
  using AlarmState = controller::AlarmView::State;
  std::function<void(AlarmState from, AlarmState to)> on_alarm;

  const Health& health() const;
  const MappingCounts& counts() const { return counts_; }
  MappingCounts& counts() { return counts_; }

 private:
  struct Environment {
    std::unique_ptr<fleet::Member> member;  // none: without the library
    bool busy = false;
    bool wakes = false;
    TrueTime wake_at{0};
  };
  void arrive();
  void poll();
  void evaluate_alarms();
  void tell(AlarmState from, AlarmState to);
  void call(Environment& environment, Done done);
  void call_dependency(const std::function<void(bool ok, Duration took)>& done, Duration patience);
  void pump(Environment& environment);
  Environment& free_environment();

  MappingWorldOptions options_;
  controller::Mapping mapping_;
  controller::Settings in_force_;  // what the pollers do, while it is changing
  std::map<std::string, std::string> tags_;
  std::vector<std::unique_ptr<Environment>> environments_;
  int by_mapping_ = 0;  // invocations under way
  int calls_ = 0;       // at the dependency
  double owed_ = 0;     // messages not sent yet
  bool late_ = false;
  MinuteMetric events_;
  MinuteMetric function_;
  MinuteAlarm events_alarm_;
  MinuteAlarm function_alarm_;
  MappingCounts counts_;
};

}  // namespace switchgear::lab
