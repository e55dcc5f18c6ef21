// A command as a Lambda function of its own: a custom runtime (provided.al2023) that takes one
// start after the other from the Runtime API and works for a while on each.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"
#include "core/time.h"

namespace switchgear::cli {

// The time that is left to a start after its turn, for the end of what it does and the answer.
inline constexpr Duration kLambdaEnd = 10s;
// The most that a turn takes: the next start comes a minute after this one.
inline constexpr Duration kLambdaTurnMax = 55s;

// Where the Runtime API is, "127.0.0.1:9001"; empty: this is no Lambda function.
std::string lambda_runtime_api(const Context& context);

// Works for so long, leaves everything in order and answers an exit code.
using LambdaTurn = std::function<int(Duration run_for)>;

// Serves starts until the Runtime API goes away, which is the end of the environment; what each one
// brings with it is not looked at. A turn takes `turn_max`, or what the function's time-out leaves
// but for kLambdaEnd. Any exit code but 0 is reported as an error of the function.
int serve_lambda(Context& context, Duration turn_max, const LambdaTurn& turn);

// What a program does that Lambda starts as `bootstrap`, without arguments: the subcommand that the
// function's Handler names. `arguments` as they are if it is not Lambda that starts it.
std::vector<std::string> lambda_arguments(const Context& context, std::string_view program,
                                          std::vector<std::string> arguments);

}  // namespace switchgear::cli
