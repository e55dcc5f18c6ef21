// A store on trial: it is asked one operation after the other, and what does not come out as it
// should is noted. Nothing a store answers ends the program, so this may run anywhere.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "fleet/store_ops.h"
#include "net/waiting.h"
#include "stores/store.h"

namespace switchgear::stores {

// How a store is known to differ from the others.
struct StoreTraits {
  std::string backend = {};
  // How far the time of two answers may be apart from that of the store. On DynamoDB that is a
  // second and the way there and back, which is long if the machine stood still.
  std::chrono::milliseconds uncertainty{0};
  // Moves the clock of a store in memory. Empty: time passes by itself.
  std::function<void(std::chrono::milliseconds)> advance = {};

  static StoreTraits redis() { return {.backend = "redis"}; }
  static StoreTraits dynamodb() {
    return {.backend = "dynamodb", .uncertainty = std::chrono::seconds{10}};
  }
};

struct Flaw {
  std::string file;
  unsigned line = 0;
  std::string text;
};

// Everything in a snapshot but its time, in an order that does not depend on the backend.
std::string describe(const fleet::Snapshot& snapshot);
std::string describe(const fleet::Answer& answer);

class Trial {
 public:
  // `waiting` outlives this. `circuit` and what begins with it is nobody else's.
  Trial(net::Waiting& waiting, std::unique_ptr<Store> store, StoreTraits traits,
        std::string circuit);
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  const StoreTraits& traits() const { return traits_; }
  // Empty: all was well.
  const std::vector<Flaw>& flaws() const { return flaws_; }
  // The first error that an operation ended with.
  const std::optional<Error>& failure() const { return failure_; }

  // ---- Asking. An operation that fails is a flaw, and answers as if there were nothing.
  fleet::Answer apply(const fleet::Operation& operation);
  fleet::Status status_of(const fleet::Operation& operation) { return apply(operation).status; }
  fleet::Snapshot read() { return apply(fleet::ReadOp{}).snapshot; }
  StoreTime now() { return read().time; }
  std::vector<std::string> names();
  void remove();
  NoteAnswer note();
  NoteAnswer write_note(std::uint64_t expected, const std::string& text);
  // Sent without waiting for each other; in the order of the texts.
  std::vector<NoteAnswer> write_notes_at_once(std::uint64_t expected,
                                              const std::vector<std::string>& texts);
  // The code of the error that this write must end with; "" if it did not.
  std::string refusal_of_note(std::uint64_t expected, const std::string& text);
  // Destroys the store while it works on `operation` and reads the note; whether it has called
  // back.
  bool answers_after_its_end(const fleet::Operation& operation);
  std::string backend() const { return store_->backend(); }

  // The record, which must be there and readable; and a slot of it that somebody has or had.
  fleet::Record record() { return record_in(read()); }
  fleet::Record record_in(const fleet::Snapshot& snapshot);
  fleet::Record record_in(const fleet::Answer& answer) { return record_in(answer.snapshot); }
  fleet::Slot slot(int index) { return slot_in(read(), index); }
  fleet::Slot slot_in(const fleet::Snapshot& snapshot, int index);
  fleet::Slot slot_in(const fleet::Answer& answer, int index) {
    return slot_in(answer.snapshot, index);
  }

  void create_record(std::int64_t epoch = 100, std::uint64_t revision = 1);
  // Sent that long ago, by the store's time.
  fleet::Report report(std::uint32_t seq, std::chrono::milliseconds ago = {},
                       fleet::InstanceId who = fleet::InstanceId{0xa1});
  // Until the store's clock has moved on by that much, and no brief lease can still last by it.
  void let_pass(std::chrono::milliseconds time);

  // ---- Judging. A note says what the check is about.
  void check(bool holds, std::string_view note = {},
             std::source_location at = std::source_location::current());
  template <class A, class B>
  void equal(const A& found, const B& expected, std::string_view note = {},
             std::source_location at = std::source_location::current()) {
    bool same = false;
    if constexpr (std::is_integral_v<A> && std::is_integral_v<B>) {
      same = std::cmp_equal(found, expected);
    } else {
      same = found == expected;
    }
    if (!same) flaw(text_of(found) + " instead of " + text_of(expected), note, at);
  }
  // As far as the store's time is known.
  void at(StoreTime time, StoreTime expected,
          std::source_location where = std::source_location::current());

  std::string circuit;  // that is asked about

 private:
  template <class T>
  static std::string text_of(const T& value) {
    if constexpr (std::is_same_v<T, fleet::Status>) {
      return std::string(fleet::to_string(value));
    } else if constexpr (std::is_same_v<T, fleet::Record>) {
      return describe(fleet::Snapshot{.record = value});
    } else if constexpr (std::is_arithmetic_v<T>) {
      return std::to_string(value);
    } else if constexpr (std::is_convertible_v<T, std::string>) {
      return "\"" + std::string(value) + "\"";
    } else {
      return "another value";
    }
  }
  // Every request is answered once, later than it was made.
  template <class T, class Start>
  Result<T> ask(const Start& start);
  Result<NoteAnswer> try_note(std::uint64_t expected, const std::string& text);
  void failed(const std::string& operation, const Error& error);
  void flaw(const std::string& what, std::string_view note, const std::source_location& at);
  bool has_a_brief_lease();

  net::Waiting& waiting_;
  std::unique_ptr<Store> store_;
  const StoreTraits traits_;
  std::vector<Flaw> flaws_;
  std::optional<Error> failure_;
};

// ---- Values to put into a store

inline constexpr fleet::InstanceId kAnn{0xa1};
inline constexpr fleet::InstanceId kBob{0xffffffffffff};

// Every field differs from its default.
fleet::Record full_record(std::int64_t epoch, std::uint64_t revision);
fleet::Operation create(const fleet::Record& next);
fleet::SwapOp swaps(std::int64_t epoch, std::uint64_t revision, const fleet::Record& next);
fleet::ReportOp adds(std::int64_t epoch, const fleet::Report& report);
fleet::ReportOp heartbeat(const fleet::MeterDelta& meter,
                          std::optional<fleet::StepDelta> step = {});
fleet::ClaimOp claims(std::int64_t epoch, int slot, fleet::InstanceId who, std::uint32_t token,
                      std::chrono::milliseconds lease = std::chrono::hours{1});
// The same after the slot has been seen in the hands of another.
fleet::ClaimOp after(const fleet::SlotOwner& seen, fleet::ClaimOp claim);
// Of the owner: its call begins.
fleet::ClaimOp starting(fleet::ClaimOp claim);
fleet::SettleOp settles(std::int64_t epoch, int slot, fleet::InstanceId who, std::uint32_t token,
                        fleet::Settlement settlement);
bool is_free(const std::optional<fleet::Slot>& slot);

}  // namespace switchgear::stores
