// The engine: drives the members of all circuits of a process against one store.
//
// After every poke, answer and timer it asks the member for its next operation, gives that to the
// store and feeds back the answer. It decides nothing itself.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "guard/identity.h"
#include "guard/record_remarks.h"
#include "guard/seat.h"
#include "net/clocks.h"
#include "net/loop.h"
#include "stores/store.h"

namespace switchgear::guard {

struct EngineOptions {
  fleet::MemberOptions member;
  Clock clock = net::read_clocks;
  Identity identity = random_identity();
  // Circuits that one process may have, so that names which arrive from outside cannot exhaust
  // its memory (about 20 KB each).
  std::size_t circuits_max = 10'000;
  // Store operations of all circuits together per second, at most, after a burst of one second's
  // worth; those beyond it wait, first come, first served. Each circuit has a cap of its own
  // (fleet::MemberOptions). At least 1.
  double store_operations_per_second = 5'000;
  // Whether to listen to the store's push, where it has one: a change that another process makes is
  // then known here within a round trip, at the cost of a second connection and, for each change,
  // one read by each process that uses the circuit. Without it, or while it is broken, views are
  // refreshed as the policy says.
  bool push = true;
};

// One store operation that ended. The views are valid during the callback.
struct StoreResult {
  std::string_view circuit;
  std::string_view backend;    // "redis"
  std::string_view operation;  // "read", "report", "claim", "settle", "swap"
  std::string_view result;     // the status ("ok", "late", …), or the error's code ("timeout", …)
  Duration latency{0};
  const Error* error = nullptr;  // null if the store answered
  // Whether the store answers. One that throttles does, until views are too old.
  bool up = true;
};

// Called on the loop's thread; may call back into the engine.
struct EngineEvents {
  std::function<void(const std::string& circuit, const fleet::Transition&)> transition;
  std::function<void(const StoreResult&)> store_result;
  // The first time that a circuit's record is seen: its `from` and `to` are the same.
  std::function<void(const std::string& circuit, const fleet::Transition&)> first_sight{};
  // At most 20 a minute, however many circuits there are; what is left out is told later.
  std::function<void(const std::string& circuit, const RecordRemark&)> remark{};
};

// Belongs to the thread of its loop, except make_seat() and now(). Never throws. Sleeps while no
// circuit is used.
class Engine {
 public:
  // `loop` outlives the engine.
  Engine(net::Loop& loop, std::unique_ptr<stores::Store> store, EngineOptions options = {},
         EngineEvents events = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // ---- For a process whose calls live on the loop's thread ----------------------------------
  // Adds a circuit. Its member lives as long as the engine. Errors: "name", "policy" (all problems
  // in one message), "exists", "too_many_circuits".
  Result<fleet::Member*> add(const std::string& name, const Policy& policy);
  // The member of a circuit that was added. Poke after admit() and finish().
  fleet::Member& member(const std::string& name);
  void poke(const std::string& name);
  // Whether the circuit's record has been seen.
  bool ready(const std::string& name);
  std::vector<std::string> names() const;

  // ---- For a process whose calls live on other threads --------------------------------------
  // Whether a circuit of this name and policy can be. From any thread. Errors: "name", "policy".
  static Result<void> check(const std::string& name, const Policy& policy);
  // A circuit that the engine does not drive yet; its name and policy have been checked. From any
  // thread.
  std::shared_ptr<Seat> make_seat(const std::string& name,
                                  std::shared_ptr<const fleet::PolicyTable> table) const;
  // Drives it from now on. Errors: "exists", "too_many_circuits".
  Result<void> adopt(std::shared_ptr<Seat> seat);
  void poke(Seat& seat);
  // Drives it no longer. An operation under way is carried out, and its answer is dropped.
  void release(Seat& seat);

  Now now() const { return options_.clock(); }
  const EngineOptions& options() const { return options_; }
  stores::Store& store() { return *store_; }
  // Times that the store's push brought news of an epoch not seen here before.
  std::uint64_t pushes_heard() const { return pushes_heard_; }
  // False while the last operation of any kind has failed.
  bool store_up() const { return store_up_; }

 private:
  struct Driven {
    std::shared_ptr<Seat> seat;
    net::Timer timer;
    MonoTime due = MonoTime::max();
    bool seen = false;  // its record
    bool released = false;
    std::optional<MonoTime> turn;  // when the operation that had to wait may go
    RecordRemarks remarks;
  };
  // Shared, as an answer may still come to one that was released.
  using DrivenPtr = std::shared_ptr<Driven>;
  using DrivenMap = std::map<std::string, DrivenPtr, std::less<>>;

  void drive(const DrivenPtr& driven);
  Duration gap() const;  // between two turns
  std::optional<fleet::Operation> next_operation(Driven& driven, fleet::Member& member,
                                                 const Now& now);
  std::vector<RecordRemark> remarks_on(Driven& driven, const fleet::Member& member, MonoTime now);
  void changed(const std::string& name, std::int64_t epoch);
  void start(const DrivenPtr& driven, const fleet::Operation& operation);
  void finished(const DrivenPtr& driven, std::string_view operation, const Now& sent,
                const Result<fleet::Answer>& answer);
  void arm(const DrivenPtr& driven, const Now& now, Duration until);

  net::Loop& loop_;
  EngineOptions options_;
  EngineEvents events_;
  std::string backend_;
  bool store_up_ = true;
  std::uint64_t pushes_heard_ = 0;
  MonoTime next_turn_ = MonoTime::min();
  MonoTime remarks_since_ = MonoTime::min();
  std::size_t remarks_left_ = 0;  // in the minute since then
  DrivenMap circuits_;
  mutable std::atomic<std::uint64_t> seats_made_{0};
  // Answers that come while the store is being destroyed must find nobody.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<stores::Store> store_;
};

}  // namespace switchgear::guard
