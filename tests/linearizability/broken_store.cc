#include "broken_store.h"

#include <map>
#include <utility>

#include "core/assert.h"
#include "core/random.h"
#include "stores/redis_answer.h"
#include "stores/redis_store.h"

namespace switchgear::linearizability {
namespace {

// A piece of a script, and what stands there instead.
struct Edit {
  std::string_view script;
  std::string_view from;
  std::string_view to;
};

struct ScriptDefect {
  Defect defect;
  Edit edit;
};

const std::vector<ScriptDefect>& script_defects() {
  static const std::vector<ScriptDefect> all{
      {{"claim-takes-held", "a claim takes a slot that somebody holds"},
       {"claim", "not is_as_seen(held, seen) or not is_free(held)", "false"}},
      {{"claim-on-an-old-view", "a claim takes a free slot whoever has had it since it was seen"},
       {"claim", "not is_as_seen(held, seen) or not is_free(held)", "not is_free(held)"}},
      {{"claim-in-any-epoch", "a claim of a passed epoch is granted"},
       {"claim", "if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end",
        ""}},
      {{"claim-after-settle", "a claim repeated after its settlement takes the slot again"},
       {"claim", "if held == settled(owner) then return answer('taken') end", ""}},
      {{"lost-call-forgotten", "whoever takes over the slot of a call that began counts nothing"},
       {"claim", "redis.pcall('HINCRBY', record, 'pfail', 1)", ""}},
      {{"claim-forgets-the-call", "a claim that comes again takes the mark of its call away"},
       {"claim", "mark = string.match(held, '!%d+$') or ''", "mark = ''"}},
      {{"settle-by-anybody", "a settlement frees a slot whose token it does not have"},
       {"settle", "if not held_by(held, owner) or held == settled(owner) then",
        "if held == settled(owner) then"}},
      {{"settle-counts-twice", "a repeated settlement counts again"},
       {"settle", "or held == settled(owner) then", "then"}},
      {{"settle-counts-late", "a settlement counts in an epoch that is not its own"},
       {"settle", "if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end",
        ""}},
      {{"report-in-any-epoch", "a report of a passed epoch is evidence in this one"},
       {"report", "if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end",
        ""}},
      {{"swap-without-condition", "a swap overwrites whatever is there"},
       {"swap", "elseif stored[1] ~= expected_epoch or stored[2] ~= expected_revision then",
        "elseif not stored[1] then"}},
      {{"swap-without-revision", "a swap minds the epoch, but not the revision"},
       {"swap", "or stored[2] ~= expected_revision then", "then"}},
      {{"swap-forgets-itself", "a repeated swap is taken for somebody else's"},
       {"swap", "return answer('ok')  -- this very swap, repeated", "return answer('conflict')"}},
      {{"swap-too-early", "a swap does not wait for its time"},
       {"swap",
        "if not_before ~= '' and now < tonumber(not_before) then return answer('not_due') end",
        ""}},
      {{"slots-die-with-epoch", "a new epoch forgets who holds a slot"},
       {"swap", "redis.call('DEL', evidence)",
        "redis.call('DEL', evidence)\n"
        "    for i = 0, 31 do redis.call('HDEL', record, 's' .. i) end"}},
      {{"leases-in-seconds", "a lease of milliseconds is taken for one of seconds"},
       {"prelude", "now + tonumber(lease_ms)", "now + 1000 * tonumber(lease_ms)"}},
  };
  return all;
}

constexpr Defect kTwoSteps{"claim-in-two-steps", "a claim looks first and takes then"};
constexpr Defect kStaleRead{"stale-reads", "some reads answer what was so a while ago"};

std::string edited(std::string text, const Edit& edit) {
  const auto at = text.find(edit.from);
  SG_ASSERT(at != std::string::npos && text.find(edit.from, at + 1) == std::string::npos);
  return text.replace(at, edit.from.size(), edit.to);
}

// Carries operations out by scripts of its own making.
class ScriptStore final : public stores::Store {
 public:
  ScriptStore(net::Loop& loop, const net::RedisAddress& address, const std::string& name_space,
              const net::RedisOptions& options, const Edit& edit)
      : keys_(loop, address, {.name_space = name_space, .redis = options}),
        edit_(edit),
        client_(loop, address, options) {}

  void execute(const std::string& circuit, const fleet::Operation& operation,
               stores::AnswerCallback done) override {
    const stores::RedisCall call = stores::redis_call(operation);
    const bool meant = edit_.script == fleet::name_of(operation) || edit_.script == "prelude";
    const std::string prefix = keys_.key(circuit);
    std::vector<std::string> words{
        "EVAL",        meant ? edited(call.script->text, edit_) : call.script->text,
        "3",           prefix + ":r",
        prefix + ":e", prefix + ":m"};
    words.insert(words.end(), call.arguments.begin(), call.arguments.end());
    client_.command(std::move(words),
                    [done = std::move(done)](const Result<net::resp::Value>& value) {
                      done(value ? stores::redis_answer(*value) : value.error());
                    });
  }
  void read_note(const std::string& circuit, stores::NoteCallback done) override {
    keys_.read_note(circuit, std::move(done));
  }
  void write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                  stores::NoteCallback done) override {
    keys_.write_note(circuit, expected, text, std::move(done));
  }
  void list(stores::NamesCallback done) override { keys_.list(std::move(done)); }
  void remove(const std::string& circuit, std::function<void(Result<void>)> done) override {
    keys_.remove(circuit, std::move(done));
  }
  std::string backend() const override { return "broken"; }

 private:
  stores::RedisStore keys_;
  const Edit edit_;
  net::RedisClient client_;
};

// A store in front of the one that ships.
class WrappedStore : public stores::Store {
 public:
  explicit WrappedStore(std::unique_ptr<stores::Store> inner) : inner_(std::move(inner)) {}
  void read_note(const std::string& circuit, stores::NoteCallback done) override {
    inner_->read_note(circuit, std::move(done));
  }
  void write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                  stores::NoteCallback done) override {
    inner_->write_note(circuit, expected, text, std::move(done));
  }
  void list(stores::NamesCallback done) override { inner_->list(std::move(done)); }
  void remove(const std::string& circuit, std::function<void(Result<void>)> done) override {
    inner_->remove(circuit, std::move(done));
  }
  std::string backend() const override { return "broken"; }

 protected:
  std::unique_ptr<stores::Store> inner_;
};

// What a store without scripts would do: read, see that the slot is free, and take it.
class TwoStepStore final : public WrappedStore {
 public:
  TwoStepStore(std::unique_ptr<stores::Store> inner, std::unique_ptr<stores::Store> forcing)
      : WrappedStore(std::move(inner)), forcing_(std::move(forcing)) {}

  void execute(const std::string& circuit, const fleet::Operation& operation,
               stores::AnswerCallback done) override {
    const auto* claim = std::get_if<fleet::ClaimOp>(&operation);
    if (claim == nullptr) return inner_->execute(circuit, operation, std::move(done));
    inner_->execute(circuit, fleet::ReadOp{},
                    [this, circuit, op = *claim, done = std::move(done)](
                        const Result<fleet::Answer>& answer) { take(circuit, op, answer, done); });
  }

 private:
  void take(const std::string& circuit, const fleet::ClaimOp& op, const Result<fleet::Answer>& seen,
            const stores::AnswerCallback& done) {
    const fleet::Record* record = seen ? seen->snapshot.readable() : nullptr;
    if (record == nullptr) return done(seen);
    const auto& slot = record->slots[static_cast<std::size_t>(op.claim.slot)];
    const bool free = !slot || slot->expires <= seen->snapshot.time;
    if (record->epoch != op.epoch || !free) return inner_->execute(circuit, op, done);
    forcing_->execute(circuit, op, done);
  }

  std::unique_ptr<stores::Store> forcing_;
};

// What a cache in front of a store, or a replica behind it, would do.
class StaleStore final : public WrappedStore {
 public:
  StaleStore(std::unique_ptr<stores::Store> inner, std::uint64_t seed)
      : WrappedStore(std::move(inner)), random_(seed) {}

  void execute(const std::string& circuit, const fleet::Operation& operation,
               stores::AnswerCallback done) override {
    const auto seen = seen_.find(circuit);
    const bool stale = std::holds_alternative<fleet::ReadOp>(operation) && seen != seen_.end() &&
                       random_.chance(0.5);
    inner_->execute(
        circuit, operation,
        [this, circuit, done = std::move(done),
         old = stale ? std::optional(seen->second) : std::nullopt](Result<fleet::Answer> answer) {
          if (answer && old) answer->snapshot = *old;
          if (answer) seen_[circuit] = answer->snapshot;
          done(std::move(answer));
        });
  }

 private:
  std::map<std::string, fleet::Snapshot> seen_;
  core::Random random_;
};

const ScriptDefect& script_defect(std::string_view name) {
  for (const ScriptDefect& each : script_defects()) {
    if (each.defect.name == name) return each;
  }
  SG_ASSERT(false);
  return script_defects().front();
}

}  // namespace

const std::vector<Defect>& defects() {
  static const std::vector<Defect> all = [] {
    std::vector<Defect> list;
    for (const ScriptDefect& each : script_defects()) list.push_back(each.defect);
    list.push_back(kTwoSteps);
    list.push_back(kStaleRead);
    return list;
  }();
  return all;
}

std::unique_ptr<stores::Store> broken_store(net::Loop& loop, const net::RedisAddress& address,
                                            const std::string& name_space,
                                            const net::RedisOptions& options,
                                            std::string_view defect, std::uint64_t seed) {
  const auto shipped = [&] {
    return std::make_unique<stores::RedisStore>(
        loop, address, stores::RedisStoreOptions{.name_space = name_space, .redis = options});
  };
  const auto edited_store = [&](std::string_view name) {
    return std::make_unique<ScriptStore>(loop, address, name_space, options,
                                         script_defect(name).edit);
  };
  if (defect == kTwoSteps.name) {
    return std::make_unique<TwoStepStore>(shipped(), edited_store("claim-takes-held"));
  }
  if (defect == kStaleRead.name) return std::make_unique<StaleStore>(shipped(), seed);
  return edited_store(defect);
}

}  // namespace switchgear::linearizability
