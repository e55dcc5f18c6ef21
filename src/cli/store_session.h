// A store for commands that ask a few things one after the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/patient_loop.h"
#include "stores/store.h"

namespace switchgear::cli {

// Each call waits for its answer, or for Ctrl-C: the error "interrupted".
class StoreSession {
 public:
  // The store of this URL. Nothing comes back, and what is wrong is said on `context.err`, for a
  // store that cannot be opened; `exit_code` is then set.
  static std::unique_ptr<StoreSession> open(Context& context, const std::string& url,
                                            int& exit_code);

  Result<fleet::Answer> execute(const std::string& circuit, const fleet::Operation& operation);
  Result<std::vector<std::string>> names();
  Result<void> remove(const std::string& circuit);
  Result<stores::NoteAnswer> read_note(const std::string& circuit);
  // Where a person finds the circuit's record: "key …".
  std::string record_place(const std::string& circuit) const {
    return store_->record_place(circuit);
  }
  // Waits; false if Ctrl-C came before the end.
  bool pause(Duration duration) { return loop_.pause(duration); }

 private:
  StoreSession() = default;

  PatientLoop loop_;
  std::unique_ptr<stores::Store> store_;  // after loop_, which it uses
};

// Says on `context.err` what is wrong, with the fix, and answers the exit code for it.
int report_store_error(Context& context, const Error& error);

}  // namespace switchgear::cli
