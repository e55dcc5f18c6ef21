// A client that asks random things of a store, one after the other, and repeats what was lost.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "history.h"
#include "net/loop.h"
#include "stores/store.h"

namespace switchgear::linearizability {

struct Workload {
  int operations = 200;  // of each client, repetitions not counted
  int circuits = 3;
  int slots = 2;
  // Of claims. A long one never ends within a history; a short one shows expiry.
  std::chrono::milliseconds lease_min{60'000};
  std::chrono::milliseconds lease_max{60'000};
  // Share of answered operations that are sent once more, as a network may do.
  double repeat = 0.05;
  // Of each client between two operations.
  std::chrono::milliseconds pause{0};
};

// Does what fleet::Member does with the store, but at random: one operation at a time, the very
// same one again after a lost answer, a claim that it gave up given back. On the loop's thread.
class RecordedClient {
 public:
  // `loop` and `history` outlive the client.
  RecordedClient(net::Loop& loop, std::unique_ptr<stores::Store> store, History& history,
                 const Workload& workload, int number, std::uint64_t seed);

  // Begins; `finished` is called after the last operation.
  void start(std::function<void()> finished);
  // Begins no more operations: the last is the one under way.
  void end();
  // One read of each circuit, repeated until it is answered, then `finished`.
  void read_all(std::function<void()> finished);

 private:
  struct HeldSlot {
    std::string circuit;
    fleet::ClaimOp claim;
  };
  struct Pending {
    Attempt attempt;
    MonoTime first_sent;
  };

  void next();
  void next_now();
  void begin(const std::string& circuit, const fleet::Operation& operation);
  void send();
  void answered(const Result<fleet::Answer>& answer);
  void conclude(const fleet::Answer& answer);
  void give_up();
  void repeat_later();

  std::string random_circuit();
  fleet::Operation random_operation(const std::string& circuit);
  fleet::SlotClaim random_claim();
  fleet::Operation claim(const std::string& circuit);
  fleet::Operation settle(const HeldSlot& held);
  fleet::Operation swap(const std::string& circuit);
  fleet::Operation report(const std::string& circuit);
  fleet::Record next_record(const fleet::Record* stored);

  net::Loop& loop_;
  std::unique_ptr<stores::Store> store_;
  History& history_;
  const Workload workload_;
  const int number_;
  core::Random random_;
  std::function<void()> finished_;

  int left_ = 0;
  int operations_begun_ = 0;
  std::uint32_t tokens_ = 0;
  std::uint32_t reports_ = 0;
  std::optional<Pending> pending_;
  net::Timer retry_timer_;
  std::map<std::string, fleet::Snapshot> views_;
  std::map<std::string, MonoTime> viewed_at_;
  std::vector<HeldSlot> held_;
  std::optional<HeldSlot>
      given_up_;  // a claim that may have been granted: the next thing to settle
  std::optional<HeldSlot> settling_;  // of the last settlement
  std::optional<HeldSlot> settled_;   // a claim to send once more, though it is settled
  std::vector<std::string> to_read_;
};

}  // namespace switchgear::linearizability
