// A history: what each client asked of the store, what it was told, and when, as JSON lines.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "core/result.h"
#include "fleet/store_ops.h"

namespace switchgear::linearizability {

// One sending of one operation. An operation that is repeated is several attempts: the server may
// carry out each of them, so each is a part of the history.
struct Attempt {
  int client = 0;
  int operation_id = 0;  // unique in the history; repetitions share it
  int attempt = 1;
  std::string circuit;
  fleet::Operation operation;
  std::int64_t call_ns = 0;
  std::int64_t call_wall_ms = 0;  // what this machine's wall clock said then
};

// CLOCK_MONOTONIC in nanoseconds: the clock of the history.
std::int64_t monotonic_ns();
// The wall clock in milliseconds, which a server on this machine goes by as well.
std::int64_t wall_ms();

// What became of an attempt.
enum class Fate : unsigned char {
  answered,
  lost,      // it may have been carried out, may be still, or never
  not_sent,  // it never reached the network, so it is no part of the history
};
Fate fate_of(const Result<fleet::Answer>& answer);

// Writes a line an attempt, at once, so that whoever reads the file sees how far the recording is.
class History {
 public:
  explicit History(const std::string& path) : file_(path, std::ios::trunc) {}
  bool good() const { return file_.good(); }
  // As it is answered: the time is now.
  void add(const Attempt& attempt, const Result<fleet::Answer>& answer);

 private:
  std::ofstream file_;
};

}  // namespace switchgear::linearizability
