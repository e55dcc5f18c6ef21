// The command line: which subcommands there are, their help, and what is said about wrong
// arguments. Each add_…() puts one subcommand into `parent`; parsing it sets `chosen`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "core/time.h"
#include "ops/log.h"

namespace switchgear::cli {

using Chosen = std::function<int(Context&)>;

void add_demo(CLI::App& parent, Chosen& chosen);
void add_worker(CLI::App& parent, Chosen& chosen);
void add_controller(CLI::App& parent, Chosen& chosen);
void add_circuits(CLI::App& parent, Chosen& chosen);
void add_config(CLI::App& parent, Chosen& chosen);
void add_doctor(CLI::App& parent, Chosen& chosen);
void add_init(CLI::App& parent, Chosen& chosen);
void add_template(CLI::App& parent, Chosen& chosen);
void add_verify(CLI::App& parent, Chosen& chosen);
void add_version(CLI::App& parent, Chosen& chosen);

// Runs what the arguments (without the program's name) ask for. Never throws.
int run(const std::vector<std::string>& arguments, Context& context);

// ---- For the subcommands ----------------------------------------------------------------------
// A subcommand whose help begins with these examples.
CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& summary,
                      const std::vector<std::string>& examples);
void add_output_option(CLI::App& command, Output& output);
void add_duration_option(CLI::App& command, const std::string& names, Duration& value,
                         const std::string& description);

void add_log_format_option(CLI::App& command, ops::LogFormat& format);

}  // namespace switchgear::cli
