#include "stores/behaviours.h"

#include <algorithm>

#include "core/assert.h"

namespace switchgear::stores {

std::function<void(Trial&)>& Behaviours::operator[](const std::string& name) {
  SG_ASSERT(std::ranges::find(all_, name, &Behaviour::name) == all_.end());
  return all_.emplace_back(Behaviour{.name = name, .run = {}}).run;
}

const std::vector<Behaviour>& behaviours() {
  static const Behaviours all = [] {
    Behaviours made;
    add_swap_behaviours(made);
    add_report_behaviours(made);
    add_claim_behaviours(made);
    add_settle_behaviours(made);
    add_circuit_behaviours(made);
    add_note_behaviours(made);
    return made;
  }();
  return all.all();
}

}  // namespace switchgear::stores
