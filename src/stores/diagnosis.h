// Looks at a store as a process that uses it would: whether it is reached, whether all that
// Switchgear does may be done there, how its clock and its latency are, whether the server is set
// up to keep circuits, and whether the circuits in it can be read. For people; takes seconds.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/time.h"
#include "net/waiting.h"
#include "stores/finding.h"
#include "stores/store.h"

namespace switchgear::stores {

struct DiagnosisOptions {
  // Of the store, for telling the steps to it apart. Empty: there are several, or a proxy is in
  // between.
  std::string host;
  std::uint16_t port = 0;
  std::uint64_t random = 0;  // names the throw-away circuit; differs from run to run
  // What a process grants the store: for a first view, and for any operation.
  Duration budget = 10ms;
  Duration timeout = 1s;
  // The fingerprint of this machine's settings for a circuit. Empty: not known.
  std::function<std::string(const std::string& circuit)> fingerprint = {};
  // Hears what is being looked at. May be empty.
  std::function<void(const std::string& what)> progress = {};
};

struct Diagnosis {
  std::vector<Finding> findings;
  bool reached = true;  // false: it is not, and nothing of it was looked at
};

// Writes only to circuits named "switchgear.doctor.<random>…", one for each server that is looked
// at, and removes them at the end, also once `waiting` is stopped. Both references outlive the
// call.
Diagnosis diagnose(net::Waiting& waiting, Store& store, const DiagnosisOptions& options);

// ---- For the backends -------------------------------------------------------------------------

class Examination {
 public:
  Examination(net::Waiting& waiting, Store& store, const DiagnosisOptions& options);

  net::Waiting& waiting() { return waiting_; }
  Store& store() { return store_; }
  const DiagnosisOptions& options() const { return options_; }
  // The throw-away one, with which the names of all others begin.
  const std::string& circuit() const { return circuit_; }
  Diagnosis result() { return std::move(result_); }
  // This throw-away circuit is about to be written; it is to be removed at the end.
  void will_write(const std::string& circuit) { written_.insert(circuit); }
  void has_removed(const std::string& circuit) { written_.erase(circuit); }
  const std::set<std::string>& written() const { return written_; }
  // The findings of a part of the examination, which do not go into the result.
  std::vector<Finding> apart(const std::function<void()>& part);

  void add(std::vector<Finding> findings);
  void ok(std::string check, std::string found);
  void warning(std::string check, std::string found, std::string fix);
  void error(std::string check, std::string found, std::string fix);
  void not_checked(std::string check, std::string why);
  void look(const std::string& what) const;

  // The first operation failed with `error`: says which step to the store it is. `login_fix`: what
  // to do about a refused login.
  void not_reached(const Error& error, const std::string& login_fix);
  // The same of a server that takes connections.
  void not_answered(const Error& error, const std::string& login_fix);

  Result<fleet::Answer> execute(const std::string& circuit, const fleet::Operation& operation);

  // The store's clock is ahead of this machine's by that much, give or take. `signs`: requests are
  // signed by this machine's clock.
  void judge_clock(Duration ahead, Duration uncertainty, bool signs);
  void measure_latency();
  // `size`: what an item takes there, in bytes, and how much one may; empty: does not matter.
  using SizeOf = std::function<Result<std::size_t>(const std::string& circuit)>;
  void look_at_circuits(const SizeOf& size = {}, std::size_t bytes_max = 0);

 private:
  net::Waiting& waiting_;
  Store& store_;
  const DiagnosisOptions& options_;
  const std::string circuit_;
  Diagnosis result_;
  std::set<std::string> written_;
};

// "a, b, c, d, e and 3 more"
std::string names_text(const std::vector<std::string>& names);

// "0.31 ms", "2.4 s"
std::string time_text(Duration time);

}  // namespace switchgear::stores
