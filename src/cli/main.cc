#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/app.h"
#include "cli/controller_lambda.h"

extern char** environ;

namespace {

using switchgear::cli::Context;

// For commands that do not end in an orderly way by themselves: nothing they do is left half done.
extern "C" void leave_at_once(int) { std::_Exit(switchgear::cli::kInterrupted); }

std::vector<std::pair<std::string, std::string>> environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, leave_at_once);
  std::signal(SIGPIPE, SIG_IGN);
  Context context{.out = std::cout, .err = std::cerr, .environment = environment()};
  const bool wanted = context.variable("NO_COLOR").empty() && context.variable("TERM") != "dumb";
  context.colour = wanted && ::isatty(STDOUT_FILENO) == 1;
  context.colour_on_err = wanted && ::isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    context.width = size.ws_col;
  const int code = switchgear::cli::run(
      switchgear::cli::lambda_arguments(context, argv[0], {argv + 1, argv + argc}), context);
  std::cout.flush();
  if (code == switchgear::cli::kDone && !std::cout) {
    std::cerr << "switchgear: the output could not be written in full\n";
    return switchgear::cli::kFailed;
  }
  return code;
}
