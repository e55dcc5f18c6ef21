// The controller of one circuit: compares what should be with what is, and takes one step.
//
// Sans-I/O: time and answers come in, one action at a time goes out (and beside it one trial). All
// that it needs to go on with is in the store and in the mappings themselves, so it may be killed
// between any two actions. Not thread-safe; never throws.
//
//   next_action(now, may_call) -> action     whatever is due
//   …_answered(answer, now)                  what came of it
//   until_next(now)                          when to ask again at the latest
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/actions.h"
#include "controller/announcement.h"
#include "controller/decision.h"
#include "controller/ledger.h"
#include "controller/options.h"
#include "controller/plan.h"
#include "core/backoff.h"
#include "core/random.h"
#include "core/result.h"
#include "fleet/hold_clock.h"
#include "fleet/store_ops.h"
#include "fleet/transition.h"
#include "queue/retention.h"
#include "stores/note.h"

namespace switchgear::controller {

class Reconciler {
 public:
  // `table` outlives it. `self` names this controller among those that wait for the lease; `seed`
  // must differ between them.
  Reconciler(CircuitOptions options, const fleet::PolicyTable& table, Duration lease,
             fleet::InstanceId self, std::uint64_t seed, const Now& now);

  // ---- What is due -----------------------------------------------------------------------------
  // Nothing, while an answer is awaited. `may_call`: whether the budget of the control plane allows
  // a call now.
  std::optional<Action> next_action(const Now& now, bool may_call = true);
  Duration until_next(const Now& now);

  void circuit_answered(const Result<fleet::Answer>& answer, const Now& now);
  void note_answered(const Result<stores::NoteAnswer>& answer, const Now& now);
  void alarms_answered(const Result<Alarms>& alarms, const Now& now);
  void mappings_listed(const Result<std::vector<Mapping>>& mappings, const Now& now);
  void mapping_answered(const Result<Mapping>& mapping, const Now& now);
  void tags_answered(const Result<std::map<std::string, std::string>>& tags, const Now& now);
  void tagged(const Result<void>& result, const Now& now);
  void queue_answered(const Result<QueueLook>& look, const Now& now);
  void retention_set(const Result<void>& result, const Now& now);
  void redrive_set(const Result<void>& result, const Now& now);
  void moved(const queue::MoveResult& result, const Now& now);
  void trial_ended(const TrialResult& result, const Now& now);
  // A message of this queue has been kept hidden on its last receive for so long.
  void keeps(const std::string& arn, Duration for_how_long);

  // No further changes; the lease is given up, so that another need not wait for its end.
  void leave() { leaving_ = true; }
  bool left() const { return leaving_ && !awaiting_ && !holds_lease_; }

  // ---- View ------------------------------------------------------------------------------------
  const std::string& name() const { return options_.name; }
  bool in_control(const Now& now);
  const fleet::Record* record() const { return snapshot_ ? snapshot_->readable() : nullptr; }
  const Ledger& ledger() const { return ledger_; }
  // Whether every mapping is as it should be.
  bool settled() const { return settled_; }
  // Whether the circuit is closed, and alarms and mappings were looked at and are as before any
  // outage. If no action is due either, whoever is woken by the alarms may leave it alone until
  // then. Never of a circuit whose evidence comes from the fleet, which wakes nobody.
  bool quiet() const;
  // Mappings that are off or limited now because of the circuit.
  int paused() const;
  // Those that trial messages may be given to.
  std::vector<Mapping> triable() const;
  std::vector<Notice> take_notices();
  // How old the oldest message of each queue may be, and for how long the queue keeps it.
  struct QueueView {
    Duration oldest{0};
    std::chrono::seconds retention{0};
  };
  std::map<std::string, QueueView> queue_views(const Now& now);
  std::int64_t parked_total() const { return parked_; }
  std::int64_t returned_total() const { return returned_; }
  // What the outside is to be told, oldest first. A change of the circuit is told again, by whoever
  // controls it then, until announced() says that it was heard.
  std::vector<Announcement> take_announcements();
  void announced(const Announcement& announcement);

 private:
  using HoldTime = fleet::HoldTime;

  struct Known {
    Mapping mapping;
    HoldTime seen{0};
    HoldTime listed{0};
    bool looked_up = false;  // by itself: a list lags behind changes by seconds
    HoldTime look{HoldTime::max()};
    int looks = 0;     // in a row, while it is changing
    int refusals = 0;  // in a row, throttles left out
    HoldTime not_before{0};
    enum class Tags : unsigned char { unknown, set, none } tags = Tags::unknown;
  };

  // What is due, in this order. reconciler.cc
  std::optional<Action> lease_action(HoldTime h);
  std::optional<Action> store_action(HoldTime h);
  std::optional<Action> alarm_action(HoldTime h);
  std::optional<Action> decision_action(HoldTime h);
  std::optional<Action> trial_action(HoldTime h);

  // queue_work.cc
  std::optional<Action> queue_action(HoldTime h);
  std::set<std::string> queues() const;
  void weigh_receives(const std::string& arn, const QueueLook& look);
  bool spares_receives() const;
  std::int64_t waiting_at(const std::string& arn) const;
  void weigh_retention(const std::string& arn, const QueueLook& look, HoldTime h);
  void tell_rescue(const std::string& arn, HoldTime h);
  void note_sent(const std::string& arn, std::optional<WallTime> sent);

  // parking_work.cc
  std::optional<Action> move_action(HoldTime h);
  std::optional<Action> park_action(HoldTime h);
  std::optional<Action> return_action(HoldTime h);
  bool held_open(HoldTime h) const;
  bool may_be_parked(const std::string& arn) const;
  bool is_to_be_parked(const std::string& arn, HoldTime h) const;
  bool is_unread(const std::string& arn) const;
  bool is_hidden_by_parking(const std::string& uuid, HoldTime h) const;
  void weigh_parking(const std::string& arn, HoldTime h);
  void weigh_redrive(const std::string& arn, const QueueLook& look, HoldTime h);
  StoreTime park_before(std::chrono::seconds retention, HoldTime h) const;
  void parked(const queue::MoveResult& result, HoldTime h);
  void end_pass(const std::string& arn, HoldTime h);
  bool may_be_admitted(const Mapping& mapping) const;
  const Mapping* next_to_admit(HoldTime h) const;
  Duration scouts_hidden() const;
  Duration trial_rest(const Mapping& mapping) const;
  void admitted(const TrialResult& result, HoldTime h);

  // mapping_work.cc
  std::optional<Action> mapping_action(HoldTime h, bool may_call);
  std::optional<Action> list_action(HoldTime h);
  void adopt();
  // What each mapping should be. What follows from that for the ledger is done.
  std::map<std::string, Settings> plan(HoldTime h);
  void tell_all_off(HoldTime h);
  void tell_reached(const std::string& uuid, const Entry& entry);
  void person_changed(const std::string& uuid, Entry& entry, const Mapping& mapping);
  std::int64_t opening_to_adopt() const;
  bool trials_are_not_for(const Mapping& mapping) const;
  FindMapping known_mapping() const;
  bool is_given_up(const Selector& selector, HoldTime h) const;
  static bool is_waited_for(const Known& known);
  static bool is_fresh(const Known& known, bool to_be_on, HoldTime h);
  void ask_for_unlisted(HoldTime h);
  void remember_batches();
  void take_facts(Known& known, const Mapping& mapping, bool looked_up, HoldTime h);
  void control_plane_failed(const Error& error, const std::string& what, HoldTime h);

  // tag_work.cc
  bool store_knows_nothing() const;
  std::optional<Action> recover_action();
  std::optional<Action> tag_action(HoldTime h);

  void note_found(const stores::Note& note, bool wrote, HoldTime h);
  std::optional<Action> begin(Action action);
  Action write_note(HoldTime h);
  void take_snapshot(const fleet::Snapshot& snapshot, HoldTime h);
  StoreTime store_now(HoldTime h) const;
  Target target(HoldTime h) const;
  bool trials_impossible() const;
  const Mapping* next_to_try();
  fleet::Decider decider();
  Facts facts() const;
  void announce(Announcement::Kind kind, std::string why, std::string next, std::string source);
  void announce_change(const fleet::Record& now);
  void notice(ops::LogLevel level, std::string text,
              std::vector<std::pair<std::string, std::string>> fields = {});

  const CircuitOptions options_;
  const fleet::PolicyTable& table_;
  const Duration lease_;
  const fleet::InstanceId self_;
  core::Random random_;
  fleet::HoldClock clock_;

  std::optional<Action> awaiting_;  // whose answer is not here yet
  HoldTime asked_at_{0};
  bool trial_out_ = false;
  bool leaving_ = false;

  // The lease and the note.
  bool holds_lease_ = false;
  HoldTime lease_until_{0};  // by our own pessimistic clock
  HoldTime note_due_{0};
  StoreTime written_until_{};  // by the store's, as last written
  std::uint64_t note_revision_ = 0;
  Ledger ledger_;
  bool must_write_ = false;  // before anything else: what we are about to do
  bool taking_ = false;      // the lease was found free
  StoreTime store_time_{};   // of the last answer
  HoldTime store_time_at_{0};

  // The circuit.
  std::optional<fleet::Snapshot> snapshot_;
  HoldTime circuit_due_{0};
  std::int64_t seen_epoch_ = 0;
  std::uint32_t seen_step_ = 0;
  std::optional<State> last_told_;

  // The alarms.
  Alarms alarms_;
  bool alarms_known_ = false;
  std::optional<HoldTime> alarms_fail_since_;
  HoldTime alarms_due_{0};

  // The mappings.
  std::map<std::string, Known> mappings_;
  std::map<std::string, HoldTime> listed_;  // by the selector's text
  std::int64_t told_all_off_ = 0;           // the opening of which it was told
  struct Unlisted {
    HoldTime since{0};
    int refusals = 0;  // that trying again will hardly change
    HoldTime not_before{0};
  };
  std::map<std::string, Unlisted> unlisted_;  // selectors that cannot be listed now
  std::int64_t opening_ = 0;                  // to be adopted
  HoldTime opening_seen_{0};
  std::string listing_;    // the selector of the list under way
  std::string asked_for_;  // the mapping of the call under way
  bool tags_may_be_written_ = true;
  bool recovered_ = false;  // looked whether tags tell of a ledger that was lost
  bool settled_ = false;
  HoldTime calls_not_before_{0};  // the control plane is throttled
  int throttled_ = 0;             // in a row

  // The queues.
  struct Scout {
    StoreTime sent{};
    HoldTime hidden_until{0};  // at the latest
  };
  struct KnownQueue {
    HoldTime due{0};
    HoldTime known_since{0};
    queue::OldestAge age;
    std::chrono::seconds retention{0};
    std::int64_t waiting = 0;  // messages, as of the last look
    // As of the last look; none: it has not been looked at.
    std::optional<queue::QueueAttributes> attributes = {};
    // Its messages are near their end, and no retention helps: they are admitted, then parked.
    bool endangered = false;
    bool admission_over = false;   // what was admitted failed, or none could be
    bool keeps_long = false;       // a message of it is hidden on its last receive, for hours
    bool raising_refused = false;  // of the redrive policy
    std::optional<std::string> redrive_to_set = {};
    std::vector<Scout> scouts = {};  // trial messages that are hidden
    // Nobody reads it since; nothing of before is in flight one visibility timeout later.
    std::optional<HoldTime> unread_since = {};
    std::optional<HoldTime> raised_since = {};  // seen with the redrive policy raised
    // One time through all of its messages.
    HoldTime pass_due{0};
    std::optional<HoldTime> pass_since = {};
    std::optional<HoldTime> hidden_until = {};  // what stays, since it was looked through
    std::optional<StoreTime> oldest_left = {};
    int empty_batches = 0;    // in a row
    bool told = false;        // that messages will expire
    bool burns_told = false;  // how many receives a limited half-open may use
    bool spared = false;      // it would use them up
  };
  std::map<std::string, KnownQueue> queues_;  // by ARN
  std::string looked_at_;                     // the queue of the call under way
  bool retention_may_be_set_ = true;

  // Messages that are moved.
  bool moving_ = false;
  std::string moving_from_;
  int empty_returns_ = 0;  // batches in a row
  bool wants_scouts_back_ = false;
  HoldTime move_not_before_{0};
  HoldTime admit_not_before_{0};
  bool trial_admits_ = false;
  std::int64_t parked_ = 0;
  std::int64_t returned_ = 0;

  Trials trials_;
  std::set<std::string> tried_empty_;
  std::set<std::string> not_triable_;
  std::string last_tried_;
  std::int64_t trial_epoch_ = 0;
  std::uint32_t trial_step_ = 0;
  HoldTime trial_not_before_{0};
  int no_verdicts_ = 0;

  std::vector<Announcement> announcements_;
  std::vector<Notice> notices_;
  std::string last_trouble_;
};

}  // namespace switchgear::controller
