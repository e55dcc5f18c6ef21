// Finding and reading the configuration, the same way for every subcommand.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "config/config.h"

namespace switchgear::cli {

struct SettingsOptions {
  std::string config;  // path; empty: SWITCHGEAR_CONFIG, else ./switchgear.yaml if it is there
  std::vector<config::Override> overrides;
  std::string profile = {};  // of AWS; load_settings() puts it into the context
};

// --config, --store and --profile.
void add_settings_options(CLI::App& command, SettingsOptions& options);
// --profile alone.
void add_profile_option(CLI::App& command, std::string& profile);
// An option that overrides the key of the configuration.
void add_override(CLI::App& command, SettingsOptions& options, const std::string& name,
                  const std::string& key, const std::string& type, const std::string& description);

struct Settings {
  config::Config config;
  std::string file;  // empty: none was read
};

// Reads the configuration. Warnings and problems, all of them, go to `context.err`, and problems
// also to `problems` if given; nothing comes back if there were any, which means kUsage. With
// `warnings` nothing is said: the caller shows both.
std::optional<Settings> load_settings(Context& context, const SettingsOptions& options,
                                      Problems* problems = nullptr, Problems* warnings = nullptr);

}  // namespace switchgear::cli
