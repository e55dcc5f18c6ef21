// watch: a line for each change of state or hold, as it happens.
#include <algorithm>
#include <iterator>
#include <ostream>

#include "cli/circuit_watch.h"
#include "cli/circuits.h"
#include "core/name.h"

namespace switchgear::cli {
namespace {

struct WatchOptions {
  SettingsOptions settings;
  Output output = Output::table;
  std::vector<std::string> names;
  Duration interval = 500ms;
};

// All circuits are listed anew after this many rounds, to find new ones.
constexpr int kRoundsPerList = 10;

int watch(Context& context, const WatchOptions& options) {
  const auto settings = load_settings(context, options.settings);
  if (!settings) return kUsage;
  int code = kDone;
  const auto session = StoreSession::open(context, settings->config.store, code);
  if (!session) return code;

  CircuitWatch seen;
  std::vector<std::string> names = options.names;
  std::vector<std::string> listed;  // sorted
  bool connected = false;
  bool failing = false;
  const auto failed = [&](const Error& error) {
    // The first question decides whether this is the right store; later ones are asked again.
    if (!connected || error.code == "interrupted") return report_store_error(context, error);
    if (!failing) context.err << "switchgear: " << error.text() << "; trying again\n";
    failing = true;
    return static_cast<int>(kDone);
  };
  for (int round = 0;; ++round) {
    bool good = true;
    if (options.names.empty() && round % kRoundsPerList == 0) {
      auto all = session->names();
      good = all.has_value();
      if (good) {
        // One that has gone is looked at once more, to say so.
        std::vector<std::string> both;
        std::ranges::set_union(*all, listed, std::back_inserter(both));
        listed = std::move(*all);
        names = std::move(both);
      } else if (const int exit_code = failed(all.error()); exit_code != kDone) {
        return exit_code;
      }
    }
    for (std::size_t i = 0; good && i < names.size(); ++i) {
      const auto answer = session->execute(names[i], fleet::ReadOp{});
      if (!answer) {
        if (const int exit_code = failed(answer.error()); exit_code != kDone) return exit_code;
        good = false;
        break;
      }
      if (const auto change = seen.look(names[i], answer->snapshot, round > 0)) {
        context.out << (options.output == Output::json ? change->json() : change->text()) << '\n';
        context.out.flush();
      }
    }
    if (good && failing) context.err << "switchgear: the store answers again\n";
    if (good) failing = false;
    if (good && !connected) {
      connected = true;
      context.err << "switchgear: watching " << names.size() << " circuit"
                  << (names.size() == 1 ? "" : "s") << ", until Ctrl-C\n";
      context.err.flush();
    }
    if (!session->pause(options.interval)) return kInterrupted;
  }
}

}  // namespace

void add_watch(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "watch", "a line for each change of state or hold, until Ctrl-C",
                  {"switchgear circuits watch                  # all circuits, new ones too",
                   "switchgear circuits watch payments-api",
                   "switchgear circuits watch --output json | jq -r .to"});
  const auto options = std::make_shared<WatchOptions>();
  command->add_option("NAME", options->names, "Names of circuits (default: all)")
      ->type_name("")
      ->check([](const std::string& name) {
        const auto problem = core::problem_with_circuit_name(name);
        return problem ? *problem : std::string();
      });
  add_settings_options(*command, options->settings);
  add_output_option(*command, options->output);
  add_duration_option(*command, "--interval", options->interval,
                      "Time between two looks (default 500ms, at least 10ms)");
  command->callback([&chosen, options] {
    options->interval = std::max<Duration>(options->interval, 10ms);
    chosen = [options](Context& context) { return watch(context, *options); };
  });
}

}  // namespace switchgear::cli
