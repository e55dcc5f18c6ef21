// What every store does, as a list of behaviours that can be tried on any of them: by the tests on
// each backend, and by `switchgear verify` on a table of AWS. One behaviour reads as a sentence and
// takes milliseconds, on DynamoDB now and then some seconds, until a lease has ended there.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "stores/trial.h"

namespace switchgear::stores {

struct Behaviour {
  std::string name;  // "TakesAFreeSlot"
  std::function<void(Trial&)> run;
};

// In the order in which they are written down; names differ.
class Behaviours {
 public:
  std::function<void(Trial&)>& operator[](const std::string& name);
  const std::vector<Behaviour>& all() const { return all_; }

 private:
  std::vector<Behaviour> all_;
};

// All of them: behaviours_*.cc.
const std::vector<Behaviour>& behaviours();

void add_swap_behaviours(Behaviours& all);
void add_report_behaviours(Behaviours& all);
void add_claim_behaviours(Behaviours& all);
void add_settle_behaviours(Behaviours& all);
void add_circuit_behaviours(Behaviours& all);
void add_note_behaviours(Behaviours& all);

}  // namespace switchgear::stores
