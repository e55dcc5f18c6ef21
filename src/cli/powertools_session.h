// The table of AWS Powertools' circuit breaker, for commands that ask a few things one after the
// other.
#pragma once

#include <memory>
#include <string>

#include "cli/context.h"
#include "cli/patient_loop.h"
#include "stores/powertools_table.h"

namespace switchgear::cli {

// Each call waits as those of StoreSession.
class PowertoolsSession {
 public:
  // As StoreSession::open().
  static std::unique_ptr<PowertoolsSession> open(Context& context, const std::string& url,
                                                 int& exit_code);

  Result<stores::PowertoolsListing> list();
  Result<stores::PowertoolsReading> read(const std::string& circuit, bool consistent = true);
  Result<stores::PowertoolsWrite> write(const stores::PowertoolsChange& change);
  const stores::PowertoolsAddress& address() const { return table_->address(); }
  bool pause(Duration duration) { return loop_.pause(duration); }

 private:
  PowertoolsSession() = default;

  PatientLoop loop_;
  std::unique_ptr<stores::PowertoolsTable> table_;  // after loop_, which it uses
};

}  // namespace switchgear::cli
