// A person, or a deployment, changes a mapping at every moment of an outage: while all is well,
// before and after the mapping is switched off, while it is off, while a trial is out, at each step
// of the ramp, and while the last of it is given back. What is to come of it is
// docs/controller.md's "What stays" and "Infrastructure as code".
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "controller/reconciler.h"
#include "controller/world_for_tests.h"

namespace switchgear::controller {
namespace {

enum class Hand : unsigned char {
  none,
  switches_off,
  switches_on,
  limits,
  deploys,        // what the template said all along
  deploys_anew,   // other values
  deploys_off,    // a template that has it off
  changes_batch,  // which the controller need not know of
  deploys_other,  // the mapping is deleted, and made anew under another UUID
};
constexpr std::array kHands{Hand::switches_off,  Hand::switches_on,  Hand::limits,
                            Hand::deploys,       Hand::deploys_anew, Hand::deploys_off,
                            Hand::changes_batch, Hand::deploys_other};

std::string_view to_string(Hand hand) {
  switch (hand) {
    case Hand::none:
      return "does nothing";
    case Hand::switches_off:
      return "switches it off";
    case Hand::switches_on:
      return "switches it on";
    case Hand::limits:
      return "limits it";
    case Hand::deploys:
      return "deploys it as it was";
    case Hand::deploys_anew:
      return "deploys it with another limit";
    case Hand::deploys_off:
      return "deploys it switched off";
    case Hand::changes_batch:
      return "changes its batches";
    case Hand::deploys_other:
      return "deploys another in its place";
  }
  return "";
}

struct Way {
  Evidence evidence = Evidence::alarm;
  HalfOpen half_open = HalfOpen::trial;
};

// Lambda's update knows no condition: what a person does while an update is on its way, or is not
// seen to be done, may be overwritten by it, as if it had not been done. So may what is done so
// soon before the controller decides on older facts.
constexpr Duration kFacts = 10s;

bool only_reads(const Action& action) {
  if (const auto* circuit = std::get_if<CircuitAction>(&action)) {
    return std::holds_alternative<fleet::ReadOp>(circuit->operation);
  }
  return std::holds_alternative<ReadNoteAction>(action) ||
         std::holds_alternative<ReadAlarmsAction>(action) ||
         std::holds_alternative<ListMappingsAction>(action) ||
         std::holds_alternative<LookAtQueueAction>(action);
}

// An outage of six minutes and what follows, with one hand at the `number`th action.
class Outage {
 public:
  Outage(const Way& way, Hand hand, int number)
      : world_({.name = "payments",
                .evidence = way.evidence,
                .alarms = {"payments-errors"},
                .mappings = {{Selector::By::function, "all"}},
                .half_open = way.half_open,
                .ramp_step = 90s}),
        hand_(hand),
        acted_(hand == Hand::none) {
    world_.add_mapping("a");
    world_.add_mapping("b");
    world_.backlog = 1'000'000'000;
    world_.run(90s);
    world_.refusal = [this, number](const Action& action) -> std::optional<Error> {
      if (!only_reads(action)) moments_.push_back(actions_);
      if (actions_++ >= number) stir(action);
      return std::nullopt;
    };
  }

  // Empty: all is well.
  std::string run() {
    const Duration begin = world_.elapsed();
    const Duration most = begin + 2h;
    std::optional<Duration> right_since;
    while (world_.elapsed() < most) {
      world_.healthy = world_.elapsed() < begin + 30s || world_.elapsed() > begin + 7min;
      world_.run(World::kTick);
      deploy_other();
      if (const std::string wrong = watch(); !wrong.empty()) return wrong + told();
      if (!acted_ || world_.elapsed() < begin + 10min || !as_wanted()) {
        right_since.reset();
      } else if (!right_since) {
        right_since = world_.elapsed();
      } else if (world_.elapsed() > *right_since + 2min) {
        return {};
      }
    }
    return "not as a person wants it" + shown() + told();
  }

  // Before each action that changes something, or looks at the mapping.
  const std::vector<int>& moments() const { return moments_; }
  bool overwritten() const { return overwritten_; }
  const std::string& stage() const { return stage_; }

 private:
  // Where the outage stands, as a reader of the docs would say it.
  std::string stage_now(const Action& action) const {
    const Mapping& a = world_.functions.at("a").mapping;
    const std::string changing = a.changing ? ", changing" : "";
    const std::string on = a.settings.enabled ? "on" : "off";
    switch (world_.state()) {
      case State::closed:
        return (world_.reconciler->ledger().entries.empty() ? "CLOSED" : "closing") + changing;
      case State::open:
        return "OPEN, " + on + changing;
      case State::half_open:
        if (std::holds_alternative<TrialAction>(action)) return "HALF_OPEN, a trial is out";
        return "HALF_OPEN, " + on + changing;
      case State::recovering:
        return "RECOVERING, " + (a.settings.enabled ? std::to_string(*a.settings.limit) : on) +
               changing;
    }
    return {};
  }

  void stir(const Action& action) {
    if (stage_.empty()) stage_ = stage_now(action);
    if (acted_) return note_race(action);
    // AWS refuses whoever asks while it is changing: whoever it is asks again.
    if (world_.functions.at("a").mapping.changing) return;
    acted_ = true;
    acted_at_ = world_.elapsed();
    note_race(action);
    const Settings now = world_.functions.at("a").mapping.settings;
    say(std::string("a person ") + std::string(to_string(hand_)));
    switch (hand_) {
      case Hand::none:
        return;
      case Hand::switches_off:
        if (!now.enabled) return;
        wanted_.enabled = false;
        return world_.set("a", {.enabled = false, .limit = now.limit});
      case Hand::switches_on:
        if (now.enabled) return;
        delivers_ = true;
        return world_.set("a", {.enabled = true, .limit = now.limit});
      case Hand::limits:
        wanted_.limit = 7;
        return world_.set("a", {.enabled = now.enabled, .limit = 7});
      case Hand::deploys:
        return world_.set("a", {.enabled = true, .limit = 50});
      case Hand::deploys_anew:
        wanted_.limit = 20;
        return world_.set("a", {.enabled = true, .limit = 20});
      case Hand::deploys_off:
        // Where it is off already nobody can tell.
        if (now.enabled) wanted_.enabled = false;
        return world_.set("a", {.enabled = false, .limit = 50});
      case Hand::changes_batch:
        wanted_.batch_size = 5;
        return world_.set_batch_size("a", 5);
      case Hand::deploys_other: {
        World::Function& f = world_.functions.at("a");
        f.mapping.settings.enabled = false;
        f.mapping.changing = true;  // "Deleting"
        f.changes_until = Duration::max();
        gone_at_ = world_.elapsed() + World::kToggle;
        return;
      }
    }
  }

  void note_race(const Action& action) {
    if (world_.elapsed() <= acted_at_ + kFacts) {
      const auto& entries = world_.reconciler->ledger().entries;
      const auto entry = entries.find("a");
      in_race_ = in_race_ || (entry != entries.end() && !entry->second.done);
    }
    const auto* update = std::get_if<UpdateMappingAction>(&action);
    if (in_race_ && update && update->uuid == "a") overwritten_ = true;
  }

  void deploy_other() {
    if (gone_at_ == Duration{0} || world_.elapsed() < gone_at_) return;
    gone_at_ = Duration{0};
    world_.functions.erase("a");
    uuid_ = "new";
    world_.add_mapping(uuid_);
    World::Function& f = world_.functions.at(uuid_);
    f.mapping.changing = true;  // "Creating"
    f.changes_until = world_.elapsed() + World::kToggle;
    say("the other is there");
  }

  std::string watch() const {
    const auto f = world_.functions.find(uuid_);
    if (!acted_ || overwritten_ || f == world_.functions.end()) return {};
    const Settings& now = f->second.mapping.settings;
    if (!wanted_.enabled && now.enabled) return "switched on what a person has off";
    if (delivers_ && !now.enabled) return "switched off what a person has on, without new evidence";
    if (now.enabled && now.limit.value_or(1000) > *wanted_.limit) {
      return "more at a time than a person wants";
    }
    return {};
  }

  bool as_wanted() const {
    if (gone_at_ != Duration{0} || world_.state() != State::closed ||
        !world_.reconciler->ledger().entries.empty()) {
      return false;
    }
    for (const auto& [uuid, f] : world_.functions) {
      const Settings& now = f.mapping.settings;
      const bool right = now == (uuid == uuid_ ? wanted_ : untouched_);
      if (!right && !(uuid == uuid_ && overwritten_ && now == untouched_)) return false;
      if (!f.tags.empty()) return false;
    }
    return world_.functions.contains(uuid_);
  }

  std::string shown() const {
    std::string text;
    for (const auto& [uuid, f] : world_.functions) {
      text +=
          "\n" + uuid + " is " + encode(f.mapping.settings) + (f.tags.empty() ? "" : ", tagged");
    }
    return text + "\nwanted " + encode(wanted_) + "\nledger " + encode(world_.reconciler->ledger());
  }
  std::string told() const { return "\n" + world_.told(); }
  void say(const std::string& what) {
    world_.log.push_back(
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(world_.elapsed()).count()) +
        " ** " + what);
  }

  World world_;
  const Hand hand_;
  const Settings untouched_{.enabled = true, .limit = 50, .batch_size = 10, .window_s = 0};
  Settings wanted_ = untouched_;
  std::string uuid_ = "a";
  std::string stage_;
  int actions_ = 0;
  std::vector<int> moments_;
  bool acted_ = false;
  Duration acted_at_{0};
  bool in_race_ = false;
  bool overwritten_ = false;
  bool delivers_ = false;  // a person has switched it on: nothing but new evidence switches it off
  Duration gone_at_{0};
};

using Stages = std::set<std::string>;
Stages operator+(Stages a, const Stages& b) {
  a.insert(b.begin(), b.end());
  return a;
}
const Stages kInEveryOutage{"CLOSED",         "OPEN, off",      "RECOVERING, 2",
                            "RECOVERING, 4",  "RECOVERING, 8",  "RECOVERING, 16",
                            "RECOVERING, 32", "RECOVERING, 50", "closing"};
const Stages kChanging{"OPEN, on", "OPEN, off, changing", "RECOVERING, 2, changing",
                       "RECOVERING, 50, changing"};
const Stages kWithTrials{"HALF_OPEN, off", "HALF_OPEN, a trial is out"};

// `kept`: the stages at which what a person does must not have been overwritten each time; it must
// have come by those of `met` too.
void at_every_moment(const Way& way, const Stages& kept, const Stages& met) {
  Outage undisturbed(way, Hand::none, 0);
  ASSERT_EQ(undisturbed.run(), "");
  ASSERT_GT(undisturbed.moments().size(), 100U);
  for (const Hand hand : kHands) {
    Stages not_kept = kept;
    Stages not_met = met;
    for (const int moment : undisturbed.moments()) {
      Outage outage(way, hand, moment);
      EXPECT_EQ(outage.run(), "") << "a person " << to_string(hand) << " at action " << moment
                                  << " (" << outage.stage() << ")";
      not_met.erase(outage.stage());
      if (!outage.overwritten()) not_kept.erase(outage.stage());
    }
    EXPECT_EQ(not_met, Stages{}) << to_string(hand);
    EXPECT_EQ(not_kept, Stages{}) << to_string(hand);
  }
}

TEST(ReconcilerPeople, KeepTheirWillWhereAlarmsTellWhenToTryAgain) {
  at_every_moment({Evidence::alarm, HalfOpen::trial}, kInEveryOutage + kWithTrials, kChanging);
}
TEST(ReconcilerPeople, KeepTheirWillWhereTrialsAloneClose) {
  at_every_moment({Evidence::trial, HalfOpen::trial}, kInEveryOutage + kWithTrials, kChanging);
}
TEST(ReconcilerPeople, KeepTheirWillWhereTheMappingItselfIsTried) {
  at_every_moment({Evidence::alarm, HalfOpen::limited}, kInEveryOutage + Stages{"HALF_OPEN, on"},
                  kChanging + Stages{"HALF_OPEN, on, changing"});
}

}  // namespace
}  // namespace switchgear::controller
