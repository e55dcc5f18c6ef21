// explain: why a circuit is in its state, and what comes next.
#include <ostream>

#include "cli/circuit_explain.h"
#include "cli/circuit_view.h"
#include "cli/circuits.h"
#include "cli/powertools_circuits.h"

namespace switchgear::cli {
namespace {

int explain_circuit(Context& context, const CircuitOptions& options) {
  CircuitSession opened = open_circuit(context, options);
  if (opened.powertools) return explain_powertools(context, *opened.powertools, options);
  if (!opened.session) return opened.exit_code;
  const auto answer = opened.session->execute(options.name, fleet::ReadOp{});
  if (!answer) return report_store_error(context, answer.error());
  const fleet::Snapshot& snapshot = answer->snapshot;
  if (!snapshot.record) return report_no_such_circuit(context, opened, options.name);
  const fleet::PolicyTable table(policy_for(opened.config, options.name));
  const Explanation explanation = explain(table, snapshot);
  if (options.output == Output::table) {
    print(options.name, explanation, snapshot.time, context);
    return kDone;
  }
  config::JsonWriter json;
  write(options.name, explanation, table, snapshot, json);
  context.out << json.text();
  return kDone;
}

}  // namespace

void add_explain(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "explain", "why a circuit is in its state, and what comes next",
                  {"switchgear circuits explain payments-api",
                   "switchgear circuits explain payments-api --output json | jq '.next[0]'"});
  const auto options = std::make_shared<CircuitOptions>();
  add_circuit_options(*command, *options);
  command->callback([&chosen, options] {
    chosen = [options](Context& context) { return explain_circuit(context, *options); };
  });
}

}  // namespace switchgear::cli
