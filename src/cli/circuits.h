// What the subcommands of `circuits` share.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/app.h"
#include "cli/context.h"
#include "cli/powertools_session.h"
#include "cli/settings.h"
#include "cli/store_session.h"

namespace switchgear::cli {

struct CircuitOptions {
  SettingsOptions settings;
  Output output = Output::table;
  std::string name;
};

// NAME and what all these commands take.
void add_circuit_options(CLI::App& command, CircuitOptions& options);

struct CircuitSession {
  config::Config config;
  // Either, by the store's URL. None: `exit_code` says why, and it has been told.
  std::unique_ptr<StoreSession> session;
  std::unique_ptr<PowertoolsSession> powertools;
  int exit_code = kDone;
};
CircuitSession open_circuit(Context& context, const CircuitOptions& options);

// Whether this can be no circuit of Switchgear; says so.
bool report_wrong_name(Context& context, const std::string& name);
// Says so, with a suggestion; answers the exit code.
int report_no_such_circuit(Context& context, CircuitSession& opened, const std::string& name);

// `keys`: of this circuit, if they are to be told too.
struct CircuitKeys;
void print_circuit(Context& context, const CircuitSession& opened, const CircuitOptions& options,
                   fleet::Snapshot snapshot, const CircuitKeys* keys = nullptr);

// circuits_explain.cc
void add_explain(CLI::App& parent, Chosen& chosen);
// circuits_watch.cc
void add_watch(CLI::App& parent, Chosen& chosen);
// circuits_change.cc
void add_hold(CLI::App& parent, Chosen& chosen);
void add_release(CLI::App& parent, Chosen& chosen);
void add_reset(CLI::App& parent, Chosen& chosen);

}  // namespace switchgear::cli
