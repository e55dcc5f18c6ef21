// The deciding half of the worker: takes messages from one queue, gives each to the handler when
// the circuit lets it, and sees that each ends deleted or given back.
//
// Sans-I/O: events and the time come in, actions go out. After each event, carry out
// take_actions(); call tick() when until_tick() has passed and whenever the circuit may have
// changed (circuit_changed()). Not thread-safe; never waits. What always holds:
//   - a message is deleted only after its handler answered 2xx;
//   - every message received is deleted, given back, or left to come back by itself when its
//     visibility ends;
//   - at most `concurrency` calls are in flight, and messages are received only for free places;
//   - while the circuit is open nothing is received; for a probe the slot comes before the
//     message; while it recovers a share of the limit does;
//   - a message on its last receive (the next one would dead-letter it) is not given back because
//     of the circuit: it is kept hidden, in hand, until it may be called. It is no scout, unless
//     for minutes there was no other message to try; then too it is kept if its call fails.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/random.h"
#include "core/result.h"
#include "queue/queue_attributes.h"
#include "worker/actions.h"
#include "worker/circuit_port.h"
#include "worker/options.h"

namespace switchgear::worker {

// Counts since the start; never reset.
struct ConsumerCounters {
  std::uint64_t receives = 0;
  std::uint64_t empty_receives = 0;
  std::uint64_t receive_errors = 0;
  std::uint64_t received = 0;
  std::uint64_t calls = 0;
  std::uint64_t outcomes[4] = {};  // by Outcome, of calls that ended
  std::uint64_t timeouts = 0;
  std::uint64_t connection_errors = 0;
  std::uint64_t abandoned = 0;
  std::uint64_t deleted = 0;
  std::uint64_t delete_failures = 0;  // entries refused or requests failed
  std::uint64_t deletes_given_up = 0;
  std::uint64_t given_back_failed = 0;   // after a failure, backing off
  std::uint64_t given_back_refused = 0;  // because the circuit would not let it
  std::uint64_t given_back_scouted = 0;  // so that another is scout
  std::uint64_t given_back_stopping = 0;
  std::uint64_t give_back_failures = 0;
  std::uint64_t scouts = 0;
  std::uint64_t parked = 0;
  std::uint64_t parked_lost = 0;
  std::uint64_t pauses = 0;
  std::uint64_t permits_unused = 0;
};

class Consumer {
 public:
  // `circuit` outlives the consumer. `seed` spreads jitter; it should differ between processes.
  Consumer(const ConsumerOptions& options, CircuitPort& circuit, std::uint64_t seed);

  // ---- Events -----------------------------------------------------------------------------
  void tick(const Now& now);
  // The circuit may have changed: do not wait for the time it last named.
  void circuit_changed(const Now& now);
  void received(ReceiveId id, Result<std::vector<queue::Message>> messages, const Now& now);
  void handled(CallId id, const HandlerAnswer& answer, const Now& now);
  void deleted(BatchId id, const Result<std::vector<EntryFailure>>& failures, const Now& now);
  void visibility_changed(BatchId id, const Result<std::vector<EntryFailure>>& failures,
                          const Now& now);
  void queue_attributes(const Result<queue::QueueAttributes>& attributes, const Now& now);
  // Receive nothing more, let calls end within the grace time, give the rest back. Asked a second
  // time: the grace time is over.
  void stop(const Now& now);

  // ---- What to do -------------------------------------------------------------------------
  std::vector<Action> take_actions();
  std::vector<Notice> take_notices();
  // How long until tick() is due, at most a second.
  Duration until_tick(const Now& now) const;
  // Stopped, and nothing is left to carry out.
  bool finished() const { return finished_; }

  // ---- View -------------------------------------------------------------------------------
  const ConsumerCounters& counters() const { return counters_; }
  int in_flight() const { return static_cast<int>(calls_.size()); }
  int parked() const { return static_cast<int>(parked_.size()); }
  // Messages held in any way: in a call, waiting for a permit, parked.
  int messages_held() const;
  bool paused() const { return paused_; }
  bool stopping() const { return stop_at_.has_value(); }
  const queue::QueueAttributes& attributes() const { return attributes_; }
  std::chrono::seconds receive_visibility() const;

 private:
  struct InHand {
    queue::Message message;
    MonoTime asked_at;      // when the receive was sent: the 12 hours count from here at the latest
    MonoTime visible_at;    // when it becomes visible again unless something is done
    bool renewing = false;  // parked only
  };
  struct Call {
    InHand in_hand;
    std::optional<fleet::Permit> permit;  // none: called whatever the circuit says
    MonoTime started;
    bool scout = false;
  };
  struct Receiving {
    int asked = 0;
    std::vector<fleet::Permit> permits;  // empty: permits are taken when messages are there
    std::optional<InHand> aside;         // scouted before; scout again only if there is no other
    bool scouting = false;               // for one permit that is to try the dependency out
    int tries = 1;
    MonoTime sent;
    std::chrono::seconds visibility{0};
  };
  struct Waiting {
    InHand in_hand;
    MonoTime until;
  };
  // A message whose delete or whose return to the queue is still to be carried out.
  struct Pending {
    std::string message_id;
    std::string receipt_handle;
    MonoTime visible_at;
    MonoTime ready_at;  // not before
    MonoTime flush_at;  // not much later
    std::chrono::seconds hide{0};
    bool renewal = false;  // a parked message stays ours
    int attempts = 0;
    MonoTime sent_at{};
  };
  enum class GiveBack : unsigned char { failed, refused, scouted, stopping };

  // consumer_receive.cc: what to receive
  void plan_receives(const Now& now);
  void receive_freely(const Now& now);
  void receive_with_permits(const Now& now);
  void start_receive(std::chrono::seconds wait, Receiving receiving, const Now& now);
  void take_messages(Receiving receiving, std::vector<InHand> messages, const Now& now);
  void take_for_scouting(Receiving receiving, std::vector<InHand> messages, const Now& now);

  // consumer.cc: what to call, and what the circuit says
  void run(const Now& now);
  void dispatch(InHand in_hand, MonoTime patient_until, const Now& now);
  void refused(InHand in_hand, const fleet::Refusal& refusal, MonoTime patient_until,
               const Now& now);
  void retry_waiting(const Now& now);
  void call_parked(const Now& now);
  void call_parked_at_last(const Now& now);
  MonoTime last_chance() const;
  void start_call(InHand in_hand, const std::optional<fleet::Permit>& permit, bool scouting,
                  const Now& now);
  void return_unused(const fleet::Permit& permit, const Now& now);
  void note_refusal(const fleet::Refusal& refusal, const Now& now);
  void pause(const fleet::Refusal& refusal, const Now& now);
  void note_state(const Now& now);
  void say_pause(const fleet::Refusal& refusal, bool again, const Now& now);
  void note_flow(fleet::PermitKind kind, const Now& now);
  bool flowing(const Now& now);
  bool scouting(const fleet::Permit& permit, const Now& now);
  std::chrono::seconds short_wait() const;
  bool last_receive(const InHand& in_hand) const;
  int lanes_used() const;

  // consumer_returns.cc: what becomes of messages afterwards, and the end
  void remember_scout(const std::string& message_id);
  int scouted(const std::string& message_id) const;
  std::chrono::seconds wait_after_failure(const Call& call, const HandlerAnswer& answer,
                                          const Now& now);
  void give_back(const InHand& in_hand, std::chrono::seconds hide, GiveBack why, const Now& now);
  void park(InHand in_hand, const Now& now);
  bool keep(InHand in_hand);
  bool keeps_after_failure(const Call& call, Outcome outcome, const Now& now);
  using Parked = std::deque<InHand>::iterator;
  bool covers_call(const InHand& in_hand, const Now& now) const;
  Parked callable_parked(const Now& now);
  InHand take_parked(Parked place);
  std::optional<InHand> scout_from_parked(const Now& now);
  void renew_parked(const Now& now);
  void flush(std::vector<Pending>& pending, bool deletes, const Now& now);
  void settle(BatchId id, const Result<std::vector<EntryFailure>>& failures, const Now& now);
  void retry_or_give_up(Pending entry, const std::string& why, bool retryable, bool deletes,
                        const Now& now);
  void end_if_done(const Now& now);
  void abandon_calls(const Now& now);
  void notice(Notice::Kind kind, Notice::Level level, std::string text,
              std::vector<std::pair<std::string, std::string>> fields = {});

  ConsumerOptions options_;
  CircuitPort& circuit_;
  core::Random random_;
  queue::QueueAttributes attributes_;
  ConsumerCounters counters_;
  std::vector<Action> actions_;
  std::vector<Notice> notices_;
  std::uint64_t next_id_ = 1;

  std::map<ReceiveId, Receiving> receiving_;
  std::map<CallId, Call> calls_;
  std::deque<Waiting> waiting_;
  std::deque<InHand> parked_;
  std::size_t parked_bytes_ = 0;
  bool stops_under_hold_ = false;  // what is parked cannot be called any more
  std::vector<Pending> to_delete_;
  std::vector<Pending> to_change_;
  struct Batch {
    std::vector<Pending> entries;
    bool deletes = false;
  };
  std::map<BatchId, Batch> batches_;

  // The circuit as it last answered: permits come before messages until one is `normal`.
  bool permits_first_ = true;
  MonoTime ask_again_{};
  bool last_receive_empty_ = false;
  int receives_wanted_ = 1;  // grows while receives come back full
  bool paused_ = false;
  std::int64_t paused_epoch_ = 0;
  std::optional<fleet::Refusal> unsaid_pause_;  // until its cause is settled
  MonoTime unsaid_until_{};

  // Messages that were scouts since the circuit was last closed, and how often; bounded.
  std::unordered_map<std::string, int> scouts_;
  std::deque<std::string> scout_order_;
  std::string last_scout_;
  MonoTime no_scout_since_{};  // the last scout, or the start of the pause

  std::uint64_t receive_failures_ = 0;  // in a row
  std::uint64_t handler_failures_ = 0;  // of the connection, in a row
  MonoTime receive_after_{};
  MonoTime attributes_at_{};
  bool attributes_under_way_ = false;
  bool attributes_answered_ = false;

  std::optional<MonoTime> stop_at_;  // end of the grace time
  bool finished_ = false;
};

}  // namespace switchgear::worker
