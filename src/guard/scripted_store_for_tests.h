// A store for tests: in memory, shared by any number of engines in a process, with an off switch.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "fleet/transition.h"
#include "net/clocks.h"
#include "net/loop.h"
#include "stores/memory_store.h"
#include "stores/store.h"

namespace switchgear::guard {

// What the engines share. Thread-safe.
class SharedTable {
 public:
  fleet::Answer execute(const std::string& circuit, const fleet::Operation& operation) {
    const std::lock_guard lock(mutex_);
    operations++;
    return table_.execute(circuit, operation, now());
  }
  stores::NoteAnswer read_note(const std::string& circuit) {
    const std::lock_guard lock(mutex_);
    operations++;
    return table_.read_note(circuit, now());
  }
  stores::NoteAnswer write_note(const std::string& circuit, std::uint64_t expected,
                                const std::string& text) {
    const std::lock_guard lock(mutex_);
    operations++;
    return table_.write_note(circuit, expected, text, now());
  }
  // By a person.
  void hold(const std::string& circuit, HoldKind kind) {
    write(circuit, [&](const fleet::Snapshot& snapshot) {
      return fleet::set_hold(policy_, snapshot, {.instance = {0xabc}, .nonce = ++nonce_},
                             {.kind = kind, .who = "somebody", .why = "a test", .until = {}});
    });
  }
  void release(const std::string& circuit) {
    write(circuit, [&](const fleet::Snapshot& snapshot) {
      return fleet::release_hold(policy_, snapshot, {.instance = {0xabc}, .nonce = ++nonce_},
                                 "somebody");
    });
  }
  // By somebody who does not know what it means.
  void spoil(const std::string& circuit, const std::string& field, const std::string& value) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, old] : table_.cells()[circuit].fields) {
      if (name == field) old = value;
    }
  }
  static StoreTime now() { return StoreTime{floor_ms(net::read_clocks().wall.time_since_epoch())}; }

  std::atomic<bool> down{false};   // operations end with "timeout"
  std::atomic<bool> hangs{false};  // operations are never answered
  std::atomic<int> operations{0};

 private:
  template <class MakeSwap>
  void write(const std::string& circuit, const MakeSwap& make_swap) {
    for (;;) {
      const fleet::Answer seen = execute(circuit, fleet::ReadOp{});
      if (execute(circuit, make_swap(seen.snapshot)).status == fleet::Status::ok) return;
    }
  }
  std::mutex mutex_;
  stores::MemoryTable table_;
  fleet::PolicyTable policy_{Policy{}};
  std::atomic<std::uint64_t> nonce_{0};
};

class ScriptedStore final : public stores::Store {
 public:
  ScriptedStore(net::Loop& loop, std::shared_ptr<SharedTable> table)
      : loop_(loop), table_(std::move(table)) {}

  void execute(const std::string& circuit, const fleet::Operation& operation,
               stores::AnswerCallback done) override {
    reply(std::move(done), [&] { return table_->execute(circuit, operation); });
  }
  void read_note(const std::string& circuit, stores::NoteCallback done) override {
    reply(std::move(done), [&] { return table_->read_note(circuit); });
  }
  void write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                  stores::NoteCallback done) override {
    reply(std::move(done), [&] { return table_->write_note(circuit, expected, text); });
  }
  void list(stores::NamesCallback done) override {
    loop_.post([done = std::move(done)] { done(std::vector<std::string>{}); });
  }
  void remove(const std::string&, std::function<void(Result<void>)> done) override {
    loop_.post([done = std::move(done)] { done({}); });
  }
  std::string backend() const override { return "scripted"; }

 private:
  template <class Callback, class Ask>
  void reply(Callback done, const Ask& ask) {
    if (table_->hangs) return;
    if (table_->down) {
      loop_.post([done = std::move(done)] {
        done(Error{.code = "timeout", .message = "no answer", .retryable = true, .source = "test"});
      });
      return;
    }
    loop_.post([done = std::move(done), answer = ask()] { done(answer); });
  }

  net::Loop& loop_;
  const std::shared_ptr<SharedTable> table_;
};

// Waits for something that another thread does; false after ten seconds.
template <class Condition>
bool eventually(const Condition& condition, Duration limit = 10s) {
  const MonoTime end = net::read_clocks().mono + limit;
  while (!condition()) {
    if (net::read_clocks().mono > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Trips after two failures in a row, opens for a tenth of a second, one good probe closes it.
inline Policy quick_policy() {
  return Policy{.failure_weight = 10,
                .trip_level = 20,
                .open_duration = 100ms,
                .max_open_duration = 200ms,
                .open_jitter = 0,
                .probe_successes = 1,
                .call_timeout = 1s,
                .recovery_limit = false,
                .view_refresh = 50ms,
                .view_refresh_in_trouble = 20ms};
}

}  // namespace switchgear::guard
