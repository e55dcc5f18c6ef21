// The store in memory: the meaning of the five operations in plain code. Serves one process, the
// demo and the simulator; the other backends are tested against it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fleet/store_ops.h"

namespace switchgear::stores {

// What the store keeps of one circuit. Fields as text, as the other backends hold them.
class MemoryTable {
 public:
  // Carries out one operation at store time `now`. Not thread-safe.
  fleet::Answer execute(const std::string& circuit, const fleet::Operation& operation,
                        StoreTime now);
  std::vector<std::string> names() const;
  void remove(const std::string& circuit);
  void clear() { cells_.clear(); }

  struct Cell {
    bool exists = false;
    fleet::Fields fields;               // of the record, slots left out
    fleet::Slots slots;
    std::vector<fleet::Report> reports; // newest kReportsMax by time
    fleet::Meter meter;
    std::vector<fleet::StepDelta> steps;
  };
  // For tests and the simulator: to copy, to lose and to spoil what is stored.
  std::map<std::string, Cell>& cells() { return cells_; }

 private:
  std::map<std::string, Cell> cells_;
};

}  // namespace switchgear::stores
