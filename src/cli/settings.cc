#include "cli/settings.h"

#include <filesystem>
#include <ostream>

namespace switchgear::cli {
namespace {

constexpr const char* kDefaultFile = "switchgear.yaml";
// The configuration itself, for where a variable is easier to give than a file.
constexpr const char* kTextVariable = "SWITCHGEAR_CONFIG_TEXT";

std::string file_to_read(const Context& context, const SettingsOptions& options) {
  if (!options.config.empty()) return options.config;
  if (std::string named = context.variable("SWITCHGEAR_CONFIG"); !named.empty()) return named;
  if (!context.variable(kTextVariable).empty()) return kTextVariable;
  std::error_code ignored;
  return std::filesystem::exists(kDefaultFile, ignored) ? kDefaultFile : "";
}

}  // namespace

void add_settings_options(CLI::App& command, SettingsOptions& options) {
  command
      .add_option(
          "--config", options.config,
          "Configuration file (default: SWITCHGEAR_CONFIG, the text in SWITCHGEAR_CONFIG_TEXT, "
          "or switchgear.yaml here)")
      ->type_name("FILE");
  add_override(
      command, options, "--store", "store", "URL",
      "Where the circuits are: redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, "
      "redis+sentinel://HOST[:PORT]/PRIMARY or dynamodb://TABLE[?region=REGION]; for `circuits` "
      "also powertools://TABLE");
  add_profile_option(command, options.profile);
}

void add_profile_option(CLI::App& command, std::string& profile) {
  command
      .add_option("--profile", profile,
                  "AWS profile whose credentials and region are used (default: AWS_PROFILE)")
      ->type_name("NAME");
}

void add_override(CLI::App& command, SettingsOptions& options, const std::string& name,
                  const std::string& key, const std::string& type, const std::string& description) {
  command
      .add_option_function<std::string>(
          name,
          [&options, name, key](const std::string& value) {
            options.overrides.push_back({.key = key, .value = value, .source = name});
          },
          description)
      ->type_name(type);
}

std::optional<Settings> load_settings(Context& context, const SettingsOptions& options,
                                      Problems* problems, Problems* warnings) {
  context.aws_profile = options.profile;
  Settings settings;
  settings.file = file_to_read(context, options);
  config::Input input{.file_name = settings.file,
                      .file_text = {},
                      .environment = context.environment,
                      .overrides = options.overrides};
  if (settings.file == kTextVariable) {
    input.file_text = context.variable(kTextVariable);
  } else if (!settings.file.empty()) {
    auto text = config::read_file(settings.file);
    if (!text) {
      if (warnings == nullptr) context.err << "switchgear: " << text.error().message << '\n';
      if (problems != nullptr) *problems = {{settings.file, text.error().message}};
      return std::nullopt;
    }
    input.file_text = std::move(*text);
  }

  config::Loaded loaded = config::read(input);
  if (warnings != nullptr) {
    *warnings = std::move(loaded.warnings);
    if (problems != nullptr) *problems = loaded.problems;
    if (!loaded.problems.empty()) return std::nullopt;
    settings.config = std::move(loaded.config);
    return settings;
  }
  for (const Problem& warning : loaded.warnings) {
    context.err << "switchgear: warning: " << warning.place << ": " << warning.message << '\n';
  }
  if (!loaded.problems.empty()) {
    const std::size_t count = loaded.problems.size();
    context.err << "switchgear: " << count << (count == 1 ? " problem" : " problems")
                << " in the configuration:\n";
    for (const Problem& problem : loaded.problems) {
      context.err << "  " << problem.place << ": " << problem.message << '\n';
    }
    if (problems != nullptr) *problems = std::move(loaded.problems);
    return std::nullopt;
  }
  settings.config = std::move(loaded.config);
  return settings;
}

}  // namespace switchgear::cli
