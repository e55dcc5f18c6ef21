#include "cli/circuits.h"

#include <map>
#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/circuit_view.h"
#include "cli/powertools_circuits.h"
#include "cli/settings.h"
#include "cli/store_session.h"
#include "core/name.h"
#include "core/suggest.h"

namespace switchgear::cli {
namespace {

struct ListOptions {
  SettingsOptions settings;
  Output output = Output::table;
  bool exit_code = false;
  bool keys = false;  // one by one
};

// The circuits of these names as the store has them now.
Result<std::vector<CircuitView>> read_views(StoreSession& session, const config::Config& config,
                                            const std::vector<std::string>& names) {
  std::vector<CircuitView> views;
  for (const std::string& name : names) {
    auto answer = session.execute(name, fleet::ReadOp{});
    if (!answer) return answer.error();
    // Between the two questions it may have been removed.
    if (!answer->snapshot.record) continue;
    views.emplace_back(name, policy_for(config, name), std::move(answer->snapshot));
  }
  return views;
}

int list(Context& context, const ListOptions& options) {
  const auto settings = load_settings(context, options.settings);
  if (!settings) return kUsage;
  int code = kDone;
  if (stores::is_powertools_url(settings->config.store)) {
    const auto table = PowertoolsSession::open(context, settings->config.store, code);
    return table ? list_powertools(context, *table, options.output, options.exit_code) : code;
  }
  const auto session = StoreSession::open(context, settings->config.store, code);
  if (!session) return code;

  const auto names = session->names();
  if (!names) return report_store_error(context, names.error());
  auto read = read_views(*session, settings->config, *names);
  if (!read) return report_store_error(context, read.error());
  std::vector<CircuitView>& views = *read;

  bool any_open = false;
  for (const CircuitView& view : views) any_open = any_open || view.is_open();
  std::map<std::string, CircuitKeys> keys;
  if (!options.keys) keys = roll_up(views);
  if (options.output == Output::json) {
    config::JsonWriter json;
    json.begin_object().key("circuits").begin_array();
    for (const CircuitView& view : views) view.write(json);
    json.end_array().key("keys").begin_array();
    for (const auto& [parent, of_parent] : keys) {
      json.begin_object().member("circuit", parent);
      of_parent.write(json);
      json.end_object();
    }
    json.end_array().end_object();
    context.out << json.text();
  } else if (views.empty() && keys.empty()) {
    context.err << "switchgear: no circuits in this store yet\n";
  } else {
    Table table = CircuitView::list_header();
    for (const CircuitView& view : views) {
      view.add_to(table);
      const auto of_this = keys.find(view.name());
      if (of_this == keys.end()) continue;
      of_this->second.add_to(table, view.name());
      keys.erase(of_this);
    }
    for (const auto& [parent, of_parent] : keys) of_parent.add_to(table, parent);
    table.print(context.out, context.colour);
  }
  return options.exit_code && any_open ? kFoundOpen : kDone;
}

// Of a circuit; `keys` is 0 if it has none.
Result<CircuitKeys> read_keys(const CircuitSession& opened, const std::string& parent) {
  auto names = opened.session->names();
  if (!names) return names.error();
  std::erase_if(*names, [&](const std::string& name) { return core::parent_of(name) != parent; });
  auto views = read_views(*opened.session, opened.config, *names);
  if (!views) return views.error();
  return roll_up(*views)[parent];
}

// A parent that nobody calls by itself has no record of its own.
void print_keys_alone(Context& context, const CircuitOptions& options, const CircuitKeys& keys) {
  if (options.output == Output::table) {
    Facts facts;
    facts.add("circuit", Cell(options.name, Colour::bold));
    facts.add("state", "none, only its keys are called");
    keys.add_to(facts);
    facts.print(context.out, context.colour);
    return;
  }
  config::JsonWriter json;
  json.begin_object().member("name", options.name).key("state").null();
  json.key("keys").begin_object();
  keys.write(json);
  json.end_object().end_object();
  context.out << json.text();
}

int show(Context& context, const CircuitOptions& options) {
  CircuitSession opened = open_circuit(context, options);
  if (opened.powertools) return show_powertools(context, *opened.powertools, options);
  if (!opened.session) return opened.exit_code;
  auto answer = opened.session->execute(options.name, fleet::ReadOp{});
  if (!answer) return report_store_error(context, answer.error());
  const auto keys = read_keys(opened, options.name);
  if (!keys) return report_store_error(context, keys.error());
  if (answer->snapshot.record) {
    print_circuit(context, opened, options, std::move(answer->snapshot), &*keys);
  } else if (keys->keys > 0) {
    print_keys_alone(context, options, *keys);
  } else {
    return report_no_such_circuit(context, opened, options.name);
  }
  return kDone;
}

void add_list(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "list", "all circuits of the store, with their states",
                  {"switchgear circuits list --store redis://127.0.0.1:6379",
                   "switchgear circuits list --output json | jq '.circuits[] | select(.open)'",
                   "switchgear circuits list --keys         # keyed circuits one by one",
                   "switchgear circuits list --exit-code    # 3 if one is open"});
  const auto options = std::make_shared<ListOptions>();
  add_settings_options(*command, options->settings);
  add_output_option(*command, options->output);
  command->add_flag("--keys", options->keys, "List the keys of a circuit one by one");
  command->add_flag("--exit-code", options->exit_code, "Exit with 3 if any circuit is open");
  command->callback([&chosen, options] {
    chosen = [options](Context& context) { return list(context, *options); };
  });
}

void add_show(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(parent, "show", "one circuit: its state, and why",
                                  {"switchgear circuits show payments-api",
                                   "switchgear circuits show payments-api --output json"});
  const auto options = std::make_shared<CircuitOptions>();
  add_circuit_options(*command, *options);
  command->callback([&chosen, options] {
    chosen = [options](Context& context) { return show(context, *options); };
  });
}

}  // namespace

void add_circuit_options(CLI::App& command, CircuitOptions& options) {
  command.add_option("NAME", options.name, "Name of the circuit")->required()->type_name("");
  add_settings_options(command, options.settings);
  add_output_option(command, options.output);
}

CircuitSession open_circuit(Context& context, const CircuitOptions& options) {
  CircuitSession opened;
  auto settings = load_settings(context, options.settings);
  if (!settings) {
    opened.exit_code = kUsage;
    return opened;
  }
  opened.config = std::move(settings->config);
  if (stores::is_powertools_url(opened.config.store)) {
    // Whose names may hold any characters.
    opened.powertools = PowertoolsSession::open(context, opened.config.store, opened.exit_code);
    return opened;
  }
  if (report_wrong_name(context, options.name)) {
    opened.exit_code = kUsage;
    return opened;
  }
  opened.session = StoreSession::open(context, opened.config.store, opened.exit_code);
  return opened;
}

bool report_wrong_name(Context& context, const std::string& name) {
  const auto problem = core::problem_with_circuit_name(name);
  if (problem) context.err << "switchgear: NAME: " << *problem << '\n';
  return problem.has_value();
}

int report_no_such_circuit(Context& context, CircuitSession& opened, const std::string& name) {
  const auto names = opened.session->names();
  if (!names) return report_store_error(context, names.error());
  context.err << "switchgear: there is no circuit " << name << " in this store"
              << core::did_you_mean(name, *names) << (names->empty() ? "; it has none at all" : "")
              << '\n';
  return kFailed;
}

void print_circuit(Context& context, const CircuitSession& opened, const CircuitOptions& options,
                   fleet::Snapshot snapshot, const CircuitKeys* keys) {
  if (keys != nullptr && keys->keys == 0) keys = nullptr;
  const CircuitView view(options.name, policy_for(opened.config, options.name),
                         std::move(snapshot));
  if (options.output == Output::table) {
    view.print(context, keys);
    return;
  }
  config::JsonWriter json;
  view.write(json, keys);
  context.out << json.text();
}

void add_circuits(CLI::App& parent, Chosen& chosen) {
  CLI::App* group =
      add_command(parent, "circuits", "look at circuits, and hold them by hand",
                  {"switchgear circuits list", "switchgear circuits explain payments-api",
                   "switchgear circuits hold payments-api --open --for 30m --reason \"planned "
                   "maintenance\"",
                   "switchgear circuits release payments-api"});
  group->require_subcommand(1);
  add_list(*group, chosen);
  add_show(*group, chosen);
  add_explain(*group, chosen);
  add_watch(*group, chosen);
  add_hold(*group, chosen);
  add_release(*group, chosen);
  add_reset(*group, chosen);
}

}  // namespace switchgear::cli
