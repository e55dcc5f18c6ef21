#include "guard/record_remarks.h"

namespace switchgear::guard {
namespace {

constexpr Duration kQuiet = 60s;

}  // namespace

bool RecordRemarks::Topic::news(const std::string& current, MonoTime now) {
  if (current == told || (told_at && now - *told_at < kQuiet)) return false;
  told = current;
  told_at = now;
  return true;
}

std::vector<RecordRemark> RecordRemarks::look(const std::string& circuit,
                                              const fleet::Member& member,
                                              const stores::Store& store, MonoTime now) {
  std::vector<RecordRemark> remarks;
  const std::string& why = member.unreadable();
  if (unreadable_.news(why, now)) {
    const std::string record =
        "the record of the circuit " + circuit + " (" + store.record_place(circuit) + ")";
    if (why.empty()) {
      remarks.push_back({false, record + " can be read again"});
    } else {
      remarks.push_back({true, record + " cannot be read, so it is left alone and this process " +
                                   "decides by itself: " + why +
                                   "; use the version that wrote it, or remove it: switchgear "
                                   "circuits reset " +
                                   circuit + " --forget"});
    }
  }
  static const std::string kAgree;
  const bool differ = member.settings_differ();
  if (settings_.news(differ ? member.record()->fingerprint : kAgree, now)) {
    const std::string& ours = member.fingerprint();
    if (differ) {
      remarks.push_back(
          {true, "the settings of the circuit " + circuit +
                     " differ in the fleet: its record was last written by settings " +
                     settings_.told + ", this process goes by " + ours +
                     "; the fleet goes by whoever writes, so give the circuit the "
                     "same settings in every process (of a worker its handler's "
                     "time limit is one of them)"});
    } else {
      remarks.push_back(
          {false, "the settings of the circuit " + circuit +
                      " agree again: its record was last written by this process's, " + ours});
    }
  }
  return remarks;
}

}  // namespace switchgear::guard
