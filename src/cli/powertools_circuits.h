// The subcommands of `circuits` on the table of AWS Powertools' circuit breaker: what
// --store powertools://… makes of them. Each answers its exit code.
#pragma once

#include <string>

#include "cli/circuits.h"
#include "cli/powertools_session.h"

namespace switchgear::cli {

int list_powertools(Context& context, PowertoolsSession& session, Output output, bool exit_code);
int show_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options);
int explain_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options);

struct PowertoolsHoldOptions {
  bool open = false;     // and not closed, or metrics only
  Duration duration{0};  // 0: until released
  std::string reason;
  std::string who;
};
int hold_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options,
                    const PowertoolsHoldOptions& hold);
int release_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options);
int reset_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options,
                     bool forget);

}  // namespace switchgear::cli
