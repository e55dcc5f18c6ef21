// Random lives of a circuit: outages, alarms that mislead, refusals, kills, people at work, a store
// that forgets. Once the faults end, everything must be as a person last wanted it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "controller/reconciler.h"
#include "controller/world_for_tests.h"
#include "core/random.h"

namespace switchgear::controller {
namespace {

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed * 7919 + 1) {
    world_.emplace(options());
    forgetful_ = chance(0.4);
    const int mappings = 1 + below(4);
    for (int i = 0; i < mappings; ++i) add(std::string(1, static_cast<char>('a' + i)), below(6));
    world_->run(2min);
    remember();
  }

  // Empty: all is well.
  std::string run() {
    const int events = 10 + below(40);
    for (int i = 0; i < events; ++i) {
      event();
      for (int s = 1 + below(90); s > 0; --s) {
        tick();
        if (!trouble_.empty()) return trouble_ + told();
      }
    }
    world_->healthy = true;
    world_->alarm_stuck = false;
    world_->alarm_exists = true;
    world_->alarms_readable = true;
    world_->refusal = nullptr;
    world_->kill.reset();
    world_->backlog = 1'000'000'000;
    say("the faults end");
    for (int s = 0; s < 3 * 3600; ++s) {
      tick();
      if (!trouble_.empty()) return trouble_ + told();
      if (s % 10 == 0 && as_wanted()) return {};
    }
    return "not as a person wants it" + shown() + told();
  }

 private:
  CircuitOptions options() {
    return {.name = "payments",
            .evidence = chance(0.5) ? Evidence::alarm : Evidence::trial,
            .alarms = {"payments-errors"},
            .mappings = {{Selector::By::function, "all"}},
            .half_open = chance(0.7) ? HalfOpen::trial : HalfOpen::limited,
            .ramp_step = 90s};
  }
  bool chance(double p) { return random_.unit() < p; }
  int below(int n) { return static_cast<int>(random_.next() % static_cast<std::uint64_t>(n)); }

  void add(const std::string& uuid, int kind) {
    world_->add_mapping(uuid, kind == 1 ? std::nullopt : std::optional<int>(5 + below(60)),
                        chance(0.85));
    World::Function& f = world_->functions.at(uuid);
    Mapping& m = f.mapping;
    if (kind == 2) m.source_arn += ".fifo";
    if (kind == 3) m.filters = true;
    if (kind == 4) {
      m.source_arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/s";
      m.settings = {.enabled = m.settings.enabled, .batch_size = 100, .parallelization_factor = 4};
    }
    if (kind == 5) {
      m.provisioned = true;
      m.settings.limit.reset();
    }
    f.listed = m.settings;
    wanted_[uuid] = m.settings;
  }

  void event() {
    switch (below(forgetful_ ? 12 : 14)) {
      case 0:
      case 1:
        world_->healthy = false;
        return say("the outage begins");
      case 2:
        world_->healthy = true;
        return say("the outage ends");
      case 3:
        world_->alarm_stuck = chance(0.5);
        return;
      case 4:
        world_->alarm_exists = chance(0.6);
        return;
      case 5:
        world_->alarms_readable = chance(0.6);
        return;
      case 6:
        world_->backlog = chance(0.3) ? 0 : 1'000'000'000;
        return;
      case 7:
        world_->kill = World::Kill{1 + below(20), chance(0.5)};
        return say("killed soon");
      case 8:
      case 9:
        return refuse();
      case 10:
        world_->refusal = nullptr;
        return;
      default:
        return forgetful_ ? forget() : person();
    }
  }

  void refuse() {
    static const char* const kCodes[] = {"TooManyRequestsException", "ResourceInUseException",
                                         "ResourceConflictException", "ServiceException",
                                         "AccessDeniedException"};
    // Without the right to tag, a store that forgets is the end of it.
    const std::string code = kCodes[below(forgetful_ ? 4 : 5)];
    const double share = random_.unit();
    say("refusals: " + code);
    world_->refusal = [this, code, share](const Action& action) -> std::optional<Error> {
      if (random_.unit() >= share) return std::nullopt;
      const bool store = std::holds_alternative<CircuitAction>(action) ||
                         std::holds_alternative<ReadNoteAction>(action) ||
                         std::holds_alternative<WriteNoteAction>(action);
      if (store) return Error{"unavailable", "no store", true, "store"};
      if (std::holds_alternative<UntagAction>(action) && code == "AccessDeniedException") {
        return std::nullopt;  // tags would stay for good, rightly
      }
      if (std::holds_alternative<TagAction>(action) && code == "AccessDeniedException") {
        return std::nullopt;
      }
      return Error{code, "refused", code == "ServiceException", "lambda"};
    };
  }

  void person() {
    // What is done and undone between two looks cannot be seen.
    if (world_->elapsed() < person_at_ + 2min || !world_->reconciler->settled()) return;
    const auto& entries = world_->reconciler->ledger().entries;
    auto at = world_->functions.begin();
    std::advance(at, below(static_cast<int>(world_->functions.size())));
    const std::string uuid = at->first;
    const Mapping& m = at->second.mapping;
    const auto entry = entries.find(uuid);
    if (m.changing || (entry != entries.end() && !entry->second.done)) return;
    Settings& wanted = wanted_.at(uuid);
    Settings now = m.settings;
    if (chance(0.4) && m.limitable()) {
      now.limit = 2 + below(80);
      wanted.limit = now.limit;
      // Changed while it is on, it is the person's from now on: what only the controller had limited
      // goes back.
      if (now.enabled) wanted.enabled = true;
    } else {
      now.enabled = !now.enabled;
      wanted.enabled = now.enabled;
      if (now.enabled) wanted.limit = now.limit;
    }
    say("a person sets " + uuid + " to " + encode(now));
    world_->set(uuid, now);
    person_at_ = world_->elapsed();
  }

  void remember() {
    stores_.push_back({world_->elapsed(), world_->store, world_->note});
    if (stores_.size() > 5) stores_.erase(stores_.begin());
  }
  void forget() {
    const auto& entries = world_->reconciler->ledger().entries;
    const bool safe =
        world_->reconciler->settled() && std::ranges::all_of(world_->functions, [&](const auto& f) {
          const auto entry = entries.find(f.first);
          const bool ours = entry != entries.end() && entry->second.before.enabled;
          return ours == !f.second.tags.empty() && !f.second.mapping.changing;
        });
    if (!safe) return;
    if (chance(0.5)) {
      world_->store.clear();
      world_->note = {};
      say("the store loses everything");
      if (chance(0.5)) world_->start();
    } else {
      const Kept& kept = stores_.at(static_cast<std::size_t>(below(int(stores_.size()))));
      // A controller that starts on an old ledger cannot tell its predecessor's hand from a
      // person's.
      if (world_->elapsed() - kept.at > 5min || world_->kill) return;
      if (!world_->reconciler->in_control(world_->now())) return;
      world_->store = kept.store;
      world_->note = kept.note;
      say("the store goes back");
    }
  }

  void tick() {
    world_->run(World::kTick);
    if (++ticks_ % 30 == 0) remember();
    for (const auto& [uuid, f] : world_->functions) {
      const Settings& now = f.mapping.settings;
      const Settings& wanted = wanted_.at(uuid);
      if (now.enabled && !wanted.enabled) trouble_ = "switched on what a person has off: " + uuid;
      if (now.enabled && now.limit.value_or(1000) > wanted.limit.value_or(1000)) {
        trouble_ = "more at a time than a person wants: " + uuid;
      }
    }
  }
  bool as_wanted() const {
    return world_->state() == State::closed && world_->reconciler->ledger().entries.empty() &&
           std::ranges::all_of(world_->functions, [this](const auto& f) {
             return f.second.mapping.settings == wanted_.at(f.first) && f.second.tags.empty();
           });
  }
  std::string shown() const {
    std::string text;
    for (const auto& [uuid, f] : world_->functions) {
      text += "\n" + uuid + " " + std::string(to_string(f.mapping.kind())) + " is " +
              encode(f.mapping.settings) + ", wanted " + encode(wanted_.at(uuid)) +
              (f.tags.empty() ? "" : ", tagged");
    }
    text += "\n" + std::string(to_string(world_->state())) + ", ledger " +
            encode(world_->reconciler->ledger());
    return text;
  }
  std::string told() const { return "\n" + world_->told(); }
  void say(const std::string& what) {
    world_->log.push_back(
        std::to_string(
            std::chrono::duration_cast<std::chrono::seconds>(world_->elapsed()).count()) +
        " ** " + what);
  }

  struct Kept {
    Duration at;
    stores::MemoryTable store;
    stores::Note note;
  };
  core::Random random_;
  std::optional<World> world_;
  bool forgetful_ = false;  // the store forgets, and people leave the mappings alone
  std::map<std::string, Settings> wanted_;
  std::vector<Kept> stores_;
  int ticks_ = 0;
  Duration person_at_{0};
  std::string trouble_;
};

TEST(ReconcilerLives, EndAsAPersonLastWantedIt) {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    const std::string trouble = Life(seed).run();
    EXPECT_TRUE(trouble.empty()) << "seed " << seed << ": " << trouble;
  }
}

}  // namespace
}  // namespace switchgear::controller
