#include "lab/demo.h"

#include <fstream>
#include <memory>
#include <ostream>
#include <thread>

#include "cli/app.h"

namespace switchgear::cli {
namespace {

struct DemoFlags {
  std::uint64_t seed = lab::DemoOptions{}.seed;
  bool fast = false;
  bool json = false;
  std::string series;
};

int demo(Context& context, const DemoFlags& flags) {
  std::ofstream series;
  if (!flags.series.empty()) {
    series.open(flags.series);
    if (!series) {
      context.err << "switchgear demo: cannot write " << flags.series << "; check the path\n";
      return kFailed;
    }
  }
  const lab::DemoOptions options{.seed = flags.seed,
                                 .fast = flags.fast,
                                 .json = flags.json,
                                 .colour = context.colour,
                                 .width = std::max(60, context.width)};
  const lab::DemoResult result = lab::run_demo(options, context.out, [&](Duration pause) {
    context.out.flush();
    std::this_thread::sleep_for(pause);
  });
  if (flags.series.empty()) return kDone;
  lab::write_series(series, result);
  series.close();
  if (series) return kDone;
  context.err << "switchgear demo: " << flags.series << " could not be written in full\n";
  return kFailed;
}

}  // namespace

void add_demo(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "demo", "an outage with and without a circuit, in twelve seconds",
                  {"switchgear demo", "switchgear demo --fast --seed 7",
                   "switchgear demo --json | jq .drain_seconds"});
  const auto flags = std::make_shared<DemoFlags>();
  command->add_flag("--fast", flags->fast, "Do not pace the output for the eye");
  command->add_flag("--json", flags->json, "Print one JSON object with the results");
  command->add_option("--seed", flags->seed, "The same number gives the same run (default 1)")
      ->type_name("N");
  command
      ->add_option("--series", flags->series,
                   "Also write both runs, second by second, into this CSV file")
      ->type_name("FILE");
  command->callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return demo(context, *flags); }; });
}

}  // namespace switchgear::cli
