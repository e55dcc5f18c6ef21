#include "guard/circuit_directory.h"

#include <atomic>
#include <utility>

#include "core/assert.h"
#include "core/name.h"

namespace switchgear::guard {
namespace {

// Circuits looked at to make room for one. Those that must stay go to the end of the queue, so that
// the next newcomer looks at others.
constexpr int kLooksMax = 64;

}  // namespace

CircuitDirectory::Found CircuitDirectory::find(std::string_view name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return {};
  if (const auto parent = core::parent_of(name); !parent.empty()) {
    Uses& uses = parents_.find(parent)->second;
    uses.splice(uses.end(), uses, found->second.of_parent);
    keys_.splice(keys_.end(), keys_, found->second.of_all);
  }
  return {.core = found->second.core, .table = found->second.table};
}

CircuitDirectory::Table CircuitDirectory::inherited(std::string_view name) const {
  const auto parent = core::parent_of(name);
  if (parent.empty()) return nullptr;
  const auto found = entries_.find(parent);
  return found == entries_.end() ? nullptr : found->second.table;
}

bool CircuitDirectory::make_room(std::string_view name, std::vector<Core>& forgotten) {
  int looks = 0;
  const auto own = parents_.find(core::parent_of(name));
  if (own != parents_.end() && own->second.size() >= keys_max_ &&
      !forget_one_of(own->second, looks, forgotten)) {
    return false;
  }
  return entries_.size() < circuits_max_ || forget_one_of(keys_, looks, forgotten);
}

bool CircuitDirectory::forget_one_of(Uses& uses, int& looks, std::vector<Core>& forgotten) {
  for (std::size_t left = uses.size(); left > 0 && looks < kLooksMax; --left, ++looks) {
    const Entries::iterator oldest = uses.front();
    if (!forgettable(oldest->second)) {
      uses.splice(uses.end(), uses, uses.begin());
      continue;
    }
    forgotten.push_back(std::move(oldest->second.core));
    drop(oldest);  // perhaps with `uses`
    return true;
  }
  return false;
}

void CircuitDirectory::drop(Entries::iterator key) {
  const auto parent = parents_.find(core::parent_of(key->first));
  parent->second.erase(key->second.of_parent);
  if (parent->second.empty()) parents_.erase(parent);
  keys_.erase(key->second.of_all);
  entries_.erase(key);
}

bool CircuitDirectory::forgettable(const Entry& entry) {
  // Ours is the only handle: there is no other to copy, and the caller keeps new ones away.
  if (entry.core.use_count() != 1) return false;
  // What others did before they let go of theirs is seen from here on.
  std::atomic_thread_fence(std::memory_order_acquire);
  return entry.core->forgettable();
}

void CircuitDirectory::add(Core core, Table table) {
  std::string name = core->name();
  const auto [at, is_new] =
      entries_.emplace(std::move(name), Entry{.core = std::move(core), .table = std::move(table)});
  SG_ASSERT(is_new);
  const auto parent = core::parent_of(at->first);
  if (parent.empty()) return;
  Uses& uses = parents_[std::string(parent)];
  at->second.of_parent = uses.insert(uses.end(), at);
  at->second.of_all = keys_.insert(keys_.end(), at);
}

std::vector<CircuitDirectory::Core> CircuitDirectory::keys_of(std::string_view parent) const {
  std::vector<Core> cores;
  const auto found = parents_.find(parent);
  if (found == parents_.end()) return cores;
  cores.reserve(found->second.size());
  for (const Entries::iterator& key : found->second) cores.push_back(key->second.core);
  return cores;
}

}  // namespace switchgear::guard
