// What a backend offers. One file per backend; all pass the same behaviour tests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "fleet/store_limits.h"
#include "fleet/store_ops.h"
#include "stores/note.h"

namespace switchgear::stores {

using AnswerCallback = std::function<void(Result<fleet::Answer>)>;
// The store is asked too much, and has not carried out the operation.
inline constexpr const char* kThrottled = "throttled";

using NamesCallback = std::function<void(Result<std::vector<std::string>>)>;

// Asynchronous; not thread-safe: belongs to the thread of its event loop, and calls back on it,
// never from inside the call itself. Every operation is answered exactly once, with an error
// after the store's own time-out at the latest. Errors: "connect", "timeout", "closed", "auth",
// "protocol" (not the server we expect), each with the address in `source` and never a password;
// and kThrottled.
class Store {
 public:
  virtual ~Store() = default;

  // Carries out one operation on one circuit.
  virtual void execute(const std::string& circuit, const fleet::Operation& operation,
                       AnswerCallback done) = 0;

  // The circuit's note, which lives whether or not there is a record, and until it is removed: it
  // has no time to live. Consistent: it shows every write that was answered before, unless the
  // server itself has lost it (a failover of Redis). Error "unreadable": somebody else wrote there.
  virtual void read_note(const std::string& circuit, NoteCallback done) = 0;
  // Replaces the note if its revision is `expected` (0: makes it if there is none); its revision is
  // then expected + 1. Otherwise `written` is false, and the note is as it was. May be repeated
  // after an error: where the note already has revision expected + 1 and this very text, `written`
  // is true, so that the texts of two writers must differ (by a nonce). `text` is UTF-8, not empty;
  // longer than kNoteBytesMax: error "too_large", and nothing is sent.
  virtual void write_note(const std::string& circuit, std::uint64_t expected,
                          const std::string& text, NoteCallback done) = 0;

  // The names of all circuits in this store's namespace, sorted. For people; never on the path
  // of a call.
  virtual void list(NamesCallback done) = 0;

  // Removes a circuit with its evidence, meter and note. For `circuits reset --forget` and for
  // tests.
  virtual void remove(const std::string& circuit, std::function<void(Result<void>)> done) = 0;

  // Push, where the backend has it: `changed` is called when a circuit that is watched gets a new
  // epoch, by whomever. A hint that spares waiting for the next read: it may come late, twice or
  // never, and says nothing of what the record holds. Set before the first watch().
  // NOLINTNEXTLINE(performance-unnecessary-value-param): a store with push keeps it
  virtual void on_change(std::function<void(const std::string& circuit, std::int64_t epoch)>) {}
  virtual void watch(const std::string& /*circuit*/) {}
  // Nobody in this process uses the circuit any more: it is watched no longer, and a store that
  // belongs to this process alone forgets it.
  virtual void release(const std::string& /*circuit*/) {}

  // Where a person finds the circuit's record: "key {sg:…}:r".
  virtual std::string record_place(const std::string& /*circuit*/) const { return "in memory"; }

  // How much of a fleet one record bears here.
  virtual fleet::StoreLimits limits() const { return {}; }

  // "memory", "redis", "dynamodb": the label in metrics.
  virtual std::string backend() const = 0;
};

}  // namespace switchgear::stores
