// What a subcommand gets from main, and what it answers.
#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "aws/credentials_provider.h"
#include "aws/environment.h"

namespace switchgear::cli {

// The exit codes, the same for every subcommand.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,      // wrong arguments, or a wrong configuration
  kFoundOpen = 3,  // circuits list --exit-code
  kStoreUnreachable = 4,
  kInterrupted = 130,
};

// Data goes to `out`, everything said to a person beside it to `err`.
struct Context {
  std::ostream& out;
  std::ostream& err;
  bool colour = false;         // whether `out` is a terminal that wants colours
  bool colour_on_err = false;  // the same of `err`
  int width = 80;              // of the terminal that `out` is, in columns
  std::vector<std::pair<std::string, std::string>> environment;

  std::string aws_profile = {};  // --profile; empty: not given

  // The value of a variable; empty if it is not set.
  std::string variable(std::string_view name) const;
  // The same for what asks AWS, with --profile. The context outlives it.
  aws::Environment aws_environment() const;
  // Tells the person of credentials that are long in coming or do not come, with where they come
  // from. The context outlives it.
  aws::CredentialsListener credentials_listener();
};

enum class Output : unsigned char { table, json };

}  // namespace switchgear::cli
