#include "cli/app.h"

#include <algorithm>
#include <array>
#include <ostream>

#include "config/values.h"
#include "core/suggest.h"

namespace switchgear::cli {
namespace {

constexpr std::array<std::string_view, 9> kLater{
    "agent", "extension", "exec", "replay", "simulate", "advise", "cost", "dlq", "completion"};

std::string full_name(const CLI::App* app) {
  if (app->get_parent() == nullptr) return "switchgear";
  return full_name(app->get_parent()) + " " + app->get_name();
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// "  name        what it is", names and descriptions aligned.
std::string section(const std::string& title,
                    const std::vector<std::pair<std::string, std::string>>& entries) {
  if (entries.empty()) return {};
  std::size_t widest = 0;
  for (const auto& [name, what] : entries) widest = std::max(widest, name.size());
  std::string text = "\n" + title + ":\n";
  for (const auto& [name, what] : entries) {
    text += "  ";
    text += name;
    text.append(widest - name.size() + 2, ' ');
    text += what;
    text += "\n";
  }
  return text;
}

// Help begins with what one would type. The examples are kept in the footer. Hidden options are in
// a group without a name.
std::string help(const CLI::App& app) {
  std::string usage = full_name(&app);
  std::vector<std::pair<std::string, std::string>> commands, arguments, options;
  for (const CLI::App* command : commands_of(app)) {
    commands.emplace_back(command->get_name(), command->get_description());
  }
  if (!commands.empty()) usage += " COMMAND";
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    if (option->get_positional()) {
      const std::string name = option->get_name(true);
      usage += option->get_required() ? " " + name : " [" + name + "]";
      arguments.emplace_back(name, option->get_description());
    } else {
      const bool has_value = option->get_type_size() != 0 && !option->get_type_name().empty();
      options.emplace_back(
          option->get_name(false, true) + (has_value ? " " + option->get_type_name() : ""),
          option->get_description());
    }
  }
  return full_name(&app) + ": " + app.get_description() + "\n\nExamples:\n" + app.get_footer() +
         "\nUsage:\n  " + usage + " [OPTIONS]\n" + section("Commands", commands) +
         section("Arguments", arguments) + section("Options", options);
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return names;
}

struct Target {
  const CLI::App* command;
  std::string problem;  // empty: the words lead to a command
};

// Follows the words to the command that they name, before any option is looked at: the library's
// own words about a wrong command are of no help.
Target find_command(const CLI::App& root, const std::vector<std::string>& arguments) {
  const CLI::App* at = &root;
  for (const std::string& argument : arguments) {
    const auto commands = commands_of(*at);
    if (commands.empty() || argument.starts_with('-')) break;
    const auto found =
        std::ranges::find(commands, argument, [](const CLI::App* c) { return c->get_name(); });
    if (found != commands.end()) {
      at = *found;
      continue;
    }
    if (at == &root && std::ranges::find(kLater, argument) != kLater.end()) {
      return {at, argument + " is not in this version"};
    }
    return {at, "there is no command " + config::in_quotes(argument) +
                    core::did_you_mean(argument, names_of(commands))};
  }
  return {at, ""};
}

// The first option among `arguments` that `command` does not have, with a suggestion; empty if
// all are known.
std::string unknown_option(const CLI::App& command, const std::vector<std::string>& arguments) {
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (!argument.starts_with("--")) continue;
    const std::string name = argument.substr(0, argument.find('='));
    if (command.get_option_no_throw(name) != nullptr) continue;
    return "there is no option " + config::in_quotes(name) + core::did_you_mean(name, known);
  }
  return {};
}

int refuse(Context& context, const CLI::App& command, const std::string& problem) {
  const std::string name = full_name(&command);
  context.err << name << ": " << problem << "\nSee: " << name << " --help\n";
  return kUsage;
}

}  // namespace

std::string Context::variable(std::string_view name) const {
  const auto found = std::ranges::find(environment, name, [](const auto& v) { return v.first; });
  return found == environment.end() ? "" : found->second;
}

aws::Environment Context::aws_environment() const {
  return [this](const std::string& name) -> std::optional<std::string> {
    std::string value = name == aws::kProfileOption ? aws_profile : variable(name);
    if (value.empty()) return std::nullopt;
    return value;
  };
}

aws::CredentialsListener Context::credentials_listener() {
  return [this](const aws::CredentialsNews& news) {
    // Over a line of progress.
    err << (colour_on_err ? "\r\033[K" : "") << "switchgear: " << news.text() << std::endl;
  };
}

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& summary,
                      const std::vector<std::string>& examples) {
  CLI::App* command = parent.add_subcommand(name, summary);
  std::string text;
  for (const std::string& example : examples) text += "  " + example + "\n";
  command->footer(text);
  return command;
}

void add_output_option(CLI::App& command, Output& output) {
  command
      .add_option_function<std::string>(
          "--output",
          [&output](const std::string& word) {
            if (word == "table" || word == "json") {
              output = word == "json" ? Output::json : Output::table;
              return;
            }
            const bool later = word == "yaml" || word == "text";
            throw CLI::ValidationError("--output",
                                       config::in_quotes(word) +
                                           (later ? " is not in this version" : " is not known") +
                                           "; write table or json");
          },
          "table (default) or json")
      ->type_name("FORMAT");
}

void add_log_format_option(CLI::App& command, ops::LogFormat& format) {
  command
      .add_option_function<std::string>(
          "--log-format",
          [&format](const std::string& word) {
            if (word != "text" && word != "json") {
              throw CLI::ValidationError("--log-format", "write text or json");
            }
            format = word == "json" ? ops::LogFormat::json : ops::LogFormat::text;
          },
          "text (default) or json, one line per event on stderr")
      ->type_name("FORMAT");
}

void add_duration_option(CLI::App& command, const std::string& names, Duration& value,
                         const std::string& description) {
  command
      .add_option_function<std::string>(
          names,
          [&value, names](const std::string& text) {
            const auto duration = config::read_duration(text);
            if (!duration) throw CLI::ValidationError(names, duration.error());
            value = *duration;
          },
          description)
      ->type_name("DURATION");
}

int run(const std::vector<std::string>& arguments, Context& context) {
  CLI::App root("a circuit breaker that a whole fleet shares", "switchgear");
  root.set_help_flag("-h,--help", "Print this help");
  root.set_version_flag("--version", "");
  root.get_option("--version")->group("");
  root.require_subcommand(1);
  root.footer(
      "  switchgear demo                              an outage, with and without a circuit\n"
      "  switchgear worker --queue URL --handler URL --circuit payments-api \\\n"
      "      --store redis://127.0.0.1:6379           guard a queue's handler\n"
      "  switchgear circuits list --store redis://127.0.0.1:6379\n"
      "  switchgear config check                      what the settings come down to\n"
      "  switchgear doctor                            what is wrong with the store\n");
  Chosen chosen;
  add_demo(root, chosen);
  add_worker(root, chosen);
  add_controller(root, chosen);
  add_circuits(root, chosen);
  add_config(root, chosen);
  add_doctor(root, chosen);
  add_init(root, chosen);
  add_template(root, chosen);
  add_verify(root, chosen);
  add_version(root, chosen);

  const Target target = find_command(root, arguments);
  if (!target.problem.empty()) return refuse(context, *target.command, target.problem);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    root.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    context.out << help(*target.command);
    return kDone;
  } catch (const CLI::CallForVersion&) {
    return run({"version"}, context);
  } catch (const CLI::RequiredError& e) {
    const auto commands = commands_of(*target.command);
    if (commands.empty()) return refuse(context, *target.command, e.what());
    std::string list;
    for (const std::string& name : names_of(commands)) {
      list += (list.empty() ? "" : ", ") + name;
    }
    return refuse(context, *target.command, "a command is missing: one of " + list);
  } catch (const CLI::ParseError& e) {
    const std::string unknown = unknown_option(*target.command, arguments);
    return refuse(context, *target.command, unknown.empty() ? e.what() : unknown);
  }
  return chosen(context);
}

}  // namespace switchgear::cli
