// The store behind an unreliable network, in virtual time. The store itself is the shipped one in
// memory; what goes wrong is the way to it, and what it remembers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
  // Answered with an error, and not carried out: of all operations, and of reads alone.
  double throttled = 0;
  double throttled_reads = 0;
  // What the store bears in one second before it throttles the rest. 0: anything.
  int operations_per_second_max = 0;
  // Reads that are answered from the past, up to `stale_by` ago. Needs keep_history().
  double stale_reads = 0;
  Duration stale_by = 1s;
  friend bool operator==(const StoreNetwork&, const StoreNetwork&) = default;
};

// Not thread-safe. `scheduler` and `random` outlive it.
class SimStore {
 public:
  using Reply = tl::expected<fleet::Answer, fleet::NoAnswer>;
  using Done = std::function<void(Reply)>;
  using Execute = std::function<fleet::Answer(stores::MemoryTable&, const std::string& circuit,
                                              const fleet::Operation&, StoreTime)>;
  // Called after each operation that reached the store, and after each loss of what it held.
  using Stepped = std::function<void(int process, const fleet::Operation&, const fleet::Answer&)>;

  SimStore(Scheduler& scheduler, core::Random& random) : scheduler_(scheduler), random_(random) {}

  // Carries out an operation for `process`. `done` is called exactly once: with the answer, or
  // with `lost` when `timeout` has passed. What has not arrived by then may still arrive.
  void send(int process, const fleet::Operation& operation, Done done);

  // The same of the circuit's note: read, or replaced if its revision is `expected`. Always
  // consistent.
  using NoteReply = tl::expected<stores::NoteAnswer, fleet::NoAnswer>;
  using NoteDone = std::function<void(NoteReply)>;
  void read_note(int process, NoteDone done);
  void write_note(int process, std::uint64_t expected, const std::string& text, NoteDone done);

  // At once and without a network: for a person's hand and for tests.
  fleet::Answer execute(int process, const fleet::Operation& operation);

  StoreTime time() const { return StoreTime{floor_ms(kEpochStart + scheduler_.now())}; }
  // What is stored now, without an operation. The record may be missing or unreadable.
  fleet::Snapshot snapshot();

  // From now on what was stored is kept for so long, for reads from the past and failovers.
  void keep_history(Duration length);
  // Losing and regaining what is stored.
  void save_copy() { copy_ = table_.cells(); }
  void restore_copy() { table_.cells() = copy_; }
  void flush() { table_.clear(); }
  // A replica takes over that had not heard of the last `lost` of acknowledged writes. Needs
  // keep_history().
  void fail_over(Duration lost);

  stores::MemoryTable& table() { return table_; }

  StoreNetwork network;
  std::vector<int> cut_off;  // processes that cannot reach the store
  Duration timeout = 1s;
  Duration history{0};   // for how long past states are kept; set it before the first write
  Execute execute_with;  // instead of the table's own; for stores that are broken on purpose
  Stepped on_step;
  // Asked after each operation that was carried out: true loses this one's reply.
  std::function<bool(int process, const fleet::Operation&)> loses_reply;
  std::uint64_t operations = 0;
  std::uint64_t writes = 0;
  std::uint64_t throttled = 0;

 private:
  Duration one_way();
  bool reachable(int process) const;
  // What sends answers to one request; only the first of them is heard.
  template <class T>
  using Once = std::shared_ptr<std::function<void(tl::expected<T, fleet::NoAnswer>)>>;
  // `arrive` is called whenever the request reaches the store.
  template <class T>
  void transmit(int process, std::function<void(tl::expected<T, fleet::NoAnswer>)> done,
                std::function<void(const Once<T>&)> arrive);
  template <class T>
  void reply(int process, tl::expected<T, fleet::NoAnswer> answer, Once<T> done);
  void arrive(int process, const fleet::Operation& operation, const Once<fleet::Answer>& done);
  void arrive_note(int process, const std::optional<std::uint64_t>& expected,
                   const std::string& text, const Once<stores::NoteAnswer>& done);
  bool throttles(bool read);
  using Cells = std::map<std::string, stores::MemoryTable::Cell>;
  void remember();
  Cells as_of(TrueTime when);
  fleet::Answer read_past(Duration ago);

  Scheduler& scheduler_;
  core::Random& random_;
  stores::MemoryTable table_;
  Cells copy_;
  Duration history_{0};
  std::deque<std::pair<TrueTime, Cells>> past_;  // what was stored from that time on
  std::int64_t second_ = 0;                      // and the operations that arrived in it
  int in_second_ = 0;
};

}  // namespace switchgear::lab
