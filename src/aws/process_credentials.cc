#include "aws/process_credentials.h"

#include <utility>

#include "aws/credentials_answer.h"
#include "net/child_process.h"

namespace switchgear::aws {
namespace {

class ProcessCredentials final : public CredentialsSource {
 public:
  ProcessCredentials(net::Loop& loop, std::vector<std::string> argv, std::string name,
                     Duration timeout)
      : loop_(loop), argv_(std::move(argv)), name_(std::move(name)), timeout_(timeout) {}

  std::string name() const override { return name_; }

  void fetch(Callback callback) override {
    process_.emplace(loop_, argv_, net::ProgramOptions{.timeout = timeout_},
                     [callback = std::move(callback)](Result<std::string> output) {
                       if (output) return callback(read_process_credentials(*output));
                       callback(credentials_error(
                           output.error().message +
                               "; run the command by hand to see why: its messages are not shown",
                           true));
                     });
  }

 private:
  net::Loop& loop_;
  const std::vector<std::string> argv_;
  const std::string name_;
  const Duration timeout_;
  std::optional<net::ChildProcess> process_;
};

}  // namespace

std::optional<std::vector<std::string>> split_words(std::string_view command) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  const auto add = [&](char c) {
    if (!std::exchange(in_word, true)) words.emplace_back();
    words.back() += c;
  };
  for (std::size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    const char next = i + 1 < command.size() ? command[i + 1] : '\0';
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'') {
      if (next == '\0') return std::nullopt;
      // Within double quotes it only escapes what would otherwise mean something.
      if (quote == '"' && next != '"' && next != '\\') add(c);
      add(next);
      ++i;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
      if (!std::exchange(in_word, true)) words.emplace_back();
    } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      in_word = false;
    } else {
      add(c);
    }
  }
  if (quote != 0) return std::nullopt;
  return words;
}

Result<std::unique_ptr<CredentialsSource>> process_credentials(net::Loop& loop,
                                                               const std::string& command,
                                                               const std::string& name,
                                                               Duration timeout) {
  auto words = split_words(command);
  if (!words || words->empty() || words->front().empty()) {
    return credentials_error(name + (words
                                         ? " names no program"
                                         : " has a quote without its end, or ends in a backslash"));
  }
  return std::unique_ptr<CredentialsSource>(
      std::make_unique<ProcessCredentials>(loop, *std::move(words), name, timeout));
}

}  // namespace switchgear::aws
