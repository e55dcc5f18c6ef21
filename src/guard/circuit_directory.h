// The circuits of a process by name, and which of them may be forgotten to make room.
//
// A keyed circuit ("payments-api/tenant-7") comes to be when it is first asked for, so its name may
// come from outside and there may be any number. They are bounded per parent and in all. Beyond
// the bound the least recently asked for is forgotten, if nothing would be lost with it: it is
// CLOSED, not held, nobody has a handle on it and it owes the store nothing. An open, probing,
// recovering or held circuit is never forgotten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/transition.h"
#include "guard/circuit_core.h"

namespace switchgear::guard {

// Not thread-safe. Takes the locks of seats; nobody who has one may call it.
class CircuitDirectory {
 public:
  using Core = std::shared_ptr<CircuitCore>;
  using Table = std::shared_ptr<const fleet::PolicyTable>;

  CircuitDirectory(std::size_t circuits_max, std::size_t keys_max)
      : circuits_max_(circuits_max), keys_max_(keys_max) {}

  struct Found {
    Core core;
    Table table;
  };
  // Empty: there is none. Counts as use.
  Found find(std::string_view name);
  // The settings of the parent, if the name is one of a key and the parent is there.
  Table inherited(std::string_view name) const;
  // Whether there is room for one more circuit of this name, perhaps because others were forgotten:
  // those are appended to `forgotten`, and nobody has a handle on them any more.
  bool make_room(std::string_view name, std::vector<Core>& forgotten);
  // There is none of this name, and there is room.
  void add(Core core, Table table);

  std::size_t size() const { return entries_.size(); }
  std::vector<Core> keys_of(std::string_view parent) const;
  template <class Fn>
  void each(Fn&& fn) {
    for (auto& [name, entry] : entries_) fn(entry.core);
  }

 private:
  struct Entry;
  using Entries = std::map<std::string, Entry, std::less<>>;
  using Uses = std::list<Entries::iterator>;  // the least recently used first
  struct Entry {
    Core core;
    Table table;
    // Of a key only.
    Uses::iterator of_parent{};
    Uses::iterator of_all{};
  };
  using Parents = std::map<std::string, Uses, std::less<>>;

  bool forget_one_of(Uses& uses, int& looks, std::vector<Core>& forgotten);
  void drop(Entries::iterator key);
  static bool forgettable(const Entry& entry);

  const std::size_t circuits_max_;
  const std::size_t keys_max_;
  Entries entries_;
  Parents parents_;  // that have keys
  Uses keys_;        // of all parents
};

}  // namespace switchgear::guard
