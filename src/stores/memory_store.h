// The store in memory: the meaning of the five operations in plain code. Serves one process, the
// demo and the simulator; the other backends are tested against it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fleet/store_ops.h"
#include "stores/store.h"

namespace switchgear::net {
class Loop;
}

namespace switchgear::stores {

// What the store keeps of one circuit. Fields as text, as the other backends hold them.
class MemoryTable {
 public:
  // Carries out one operation at store time `now`. Not thread-safe.
  fleet::Answer execute(const std::string& circuit, const fleet::Operation& operation,
                        StoreTime now);
  NoteAnswer read_note(const std::string& circuit, StoreTime now) const;
  NoteAnswer write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                        StoreTime now);
  std::vector<std::string> names() const;
  void remove(const std::string& circuit);
  void clear() { cells_.clear(); }

  struct Cell {
    bool exists = false;
    fleet::Fields fields;  // of the record, slots left out
    fleet::Slots slots;
    std::vector<fleet::Report> reports;  // newest kReportsMax by time
    fleet::Meter meter;
    std::vector<fleet::StepDelta> steps;
    std::uint64_t note_revision = 0;
    std::string note;
    // What `fields` were when they were last read, and what they said: reading them again at every
    // operation would be most of its cost. Whoever changes `fields` need not care.
    fleet::Fields read_fields{};
    std::optional<Result<fleet::Record>> read_record{};
  };
  // For tests and the simulator: to copy, to lose and to spoil what is stored.
  std::map<std::string, Cell>& cells() { return cells_; }
  const std::map<std::string, Cell>& cells() const { return cells_; }

 private:
  std::map<std::string, Cell> cells_;
};

// The store of one process, for `memory:`. Nothing outlives the process.
class MemoryStore final : public Store {
 public:
  // `loop` outlives the store; `now` is the store's clock. Destroying the store drops what is
  // pending without calling back.
  MemoryStore(net::Loop& loop, std::function<StoreTime()> now);
  ~MemoryStore() override;

  void execute(const std::string& circuit, const fleet::Operation& operation,
               AnswerCallback done) override;
  void read_note(const std::string& circuit, NoteCallback done) override;
  void write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                  NoteCallback done) override;
  void list(NamesCallback done) override;
  void remove(const std::string& circuit, std::function<void(Result<void>)> done) override;
  void release(const std::string& circuit) override { table_.remove(circuit); }
  std::string backend() const override { return "memory"; }

  MemoryTable& table() { return table_; }

 private:
  void later(std::function<void()> answer);

  net::Loop& loop_;
  std::function<StoreTime()> now_;
  MemoryTable table_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace switchgear::stores
