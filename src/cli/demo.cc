#include "lab/demo.h"

#include <charconv>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <ostream>
#include <thread>

#include "cli/app.h"
#include "config/values.h"
#include "lab/picture.h"

namespace switchgear::cli {
namespace {

struct DemoFlags {
  std::uint64_t seed = lab::DemoOptions{}.seed;
  bool fast = false;
  bool json = false;
  std::string series;
  std::string picture;
};

// A file that the demo writes beside what it shows; opened first, so that a wrong path is said
// before anything else. Without a path it does nothing.
class ExtraFile {
 public:
  ExtraFile(Context& context, const std::string& path) : context_(context), path_(path) {
    if (!path_.empty()) stream_.open(path_);
  }
  bool opened() const {
    if (path_.empty() || stream_) return true;
    context_.err << "switchgear demo: cannot write " << path_ << "; check the path\n";
    return false;
  }
  bool write(const std::function<void(std::ostream&)>& content) {
    if (path_.empty()) return true;
    content(stream_);
    stream_.close();
    if (stream_) return true;
    context_.err << "switchgear demo: " << path_ << " could not be written in full\n";
    return false;
  }

 private:
  Context& context_;
  const std::string& path_;
  std::ofstream stream_;
};

int demo(Context& context, const DemoFlags& flags) {
  ExtraFile series(context, flags.series);
  ExtraFile picture(context, flags.picture);
  if (!series.opened() || !picture.opened()) return kFailed;
  const lab::DemoOptions options{.seed = flags.seed,
                                 .fast = flags.fast,
                                 .json = flags.json,
                                 .colour = context.colour,
                                 .width = std::max(60, context.width)};
  const lab::DemoResult result = lab::run_demo(options, context.out, [&](Duration pause) {
    context.out.flush();
    std::this_thread::sleep_for(pause);
  });
  const bool written = series.write([&](std::ostream& out) {
    lab::write_series(out, result);
  }) && picture.write([&](std::ostream& out) {
    const lab::OutageOptions world = lab::demo_outage(flags.seed, true);
    lab::write_outage_picture(out, result.with, result.without, world.down_at, world.up_at);
  });
  return written ? kDone : kFailed;
}

}  // namespace

void add_demo(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "demo", "an outage with and without a circuit, in half a minute",
                  {"switchgear demo", "switchgear demo --fast --seed 7",
                   "switchgear demo --json | jq .drain_seconds"});
  const auto flags = std::make_shared<DemoFlags>();
  command->add_flag("--fast", flags->fast, "Do not pace the output for the eye");
  command->add_flag("--json", flags->json, "Print one JSON object with the results");
  command
      ->add_option_function<std::string>(
          "--seed",
          [flags](const std::string& text) {
            const char* const end = text.data() + text.size();
            const auto [read_to, error] = std::from_chars(text.data(), end, flags->seed);
            if (error != std::errc() || read_to != end) {
              throw CLI::ValidationError(
                  "--seed", config::in_quotes(text) +
                                " is no seed; write a whole number from 0 to " +
                                std::to_string(std::numeric_limits<std::uint64_t>::max()) +
                                ", for example 7");
            }
          },
          "The same number gives the same run (default 1)")
      ->type_name("N");
  command
      ->add_option("--series", flags->series,
                   "Also write both runs, second by second, into this CSV file")
      ->type_name("FILE");
  command->add_option("--picture", flags->picture, "Also draw both runs into this SVG file")
      ->type_name("FILE");
  command->callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return demo(context, *flags); }; });
}

}  // namespace switchgear::cli
