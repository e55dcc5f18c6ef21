// The store behind an unreliable network, in virtual time. The store itself is the shipped one in
// memory; what goes wrong is the way to it, and what it remembers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "fleet/store_ops.h"
#include "lab/local_clocks.h"
#include "stores/memory_store.h"

namespace switchgear::lab {

inline const std::string kCircuit = "payments";

// The way to the store and back. All chances are per message.
struct StoreNetwork {
  Duration latency_min = 200us;
  Duration latency_mean = 1ms;  // above the minimum, exponential
  Duration slow{0};             // added to each way
  double lost_request = 0;
  double lost_reply = 0;
  double repeated = 0;  // the request arrives a second time, up to `late_by` later
  double late = 0;      // it arrives up to `late_by` later than it should
  Duration late_by = 3s;
  bool down = false;      // nothing arrives
  bool refusing = false;  // while down: errors at once instead of silence
  friend bool operator==(const StoreNetwork&, const StoreNetwork&) = default;
};

// Not thread-safe. `scheduler` and `random` outlive it.
class SimStore {
 public:
  using Done = std::function<void(std::optional<fleet::Answer>)>;
  using Execute = std::function<fleet::Answer(stores::MemoryTable&, const std::string& circuit,
                                              const fleet::Operation&, StoreTime)>;
  // Called after each operation that reached the store, and after each loss of what it held.
  using Stepped = std::function<void(int process, const fleet::Operation&, const fleet::Answer&)>;

  SimStore(Scheduler& scheduler, core::Random& random) : scheduler_(scheduler), random_(random) {}

  // Carries out an operation for `process`. `done` is called exactly once: with the answer, or
  // without one when `timeout` has passed. What has not arrived by then may still arrive.
  void send(int process, const fleet::Operation& operation, Done done);

  // At once and without a network: for a person's hand and for tests.
  fleet::Answer execute(int process, const fleet::Operation& operation);

  StoreTime time() const { return StoreTime{floor_ms(kEpochStart + scheduler_.now())}; }
  // What is stored now, without an operation. The record may be missing or unreadable.
  fleet::Snapshot snapshot();

  // Losing and regaining what is stored.
  void save_copy() { copy_ = table_.cells(); }
  void restore_copy() { table_.cells() = copy_; }
  void flush() { table_.clear(); }

  stores::MemoryTable& table() { return table_; }

  StoreNetwork network;
  std::vector<int> cut_off;  // processes that cannot reach the store
  Duration timeout = 1s;
  Execute execute_with;  // instead of the table's own; for stores that are broken on purpose
  Stepped on_step;
  std::uint64_t operations = 0;
  std::uint64_t writes = 0;

 private:
  Duration one_way();
  bool reachable(int process) const;
  void arrive(int process, const fleet::Operation& operation, std::shared_ptr<Done> done);

  Scheduler& scheduler_;
  core::Random& random_;
  stores::MemoryTable table_;
  std::map<std::string, stores::MemoryTable::Cell> copy_;
};

}  // namespace switchgear::lab
