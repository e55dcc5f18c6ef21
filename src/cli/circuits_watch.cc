// watch: a line for each change of state or hold, as it happens.
#include <algorithm>
#include <iterator>
#include <ostream>

#include "cli/circuit_watch.h"
#include "cli/circuits.h"
#include "cli/powertools_view.h"

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

// Where circuits are watched.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual Result<std::vector<std::string>> names() = 0;
  virtual Result<std::optional<Change>> look(const std::string& name, bool tell_new) = 0;
  virtual bool pause(Duration duration) = 0;
};

class WatchedStore final : public Watched {
 public:
  explicit WatchedStore(StoreSession& session) : session_(session) {}
  Result<std::vector<std::string>> names() override { return session_.names(); }
  Result<std::optional<Change>> look(const std::string& name, bool tell_new) override {
    const auto answer = session_.execute(name, fleet::ReadOp{});
    if (!answer) return answer.error();
    return seen_.look(name, answer->snapshot, tell_new);
  }
  bool pause(Duration duration) override { return session_.pause(duration); }

 private:
  StoreSession& session_;
  CircuitWatch seen_;
};

class WatchedPowertools final : public Watched {
 public:
  explicit WatchedPowertools(PowertoolsSession& session) : session_(session) {}
  Result<std::vector<std::string>> names() override {
    const auto listing = session_.list();
    if (!listing) return listing.error();
    if (!listing->one_page) {
      return Error{.code = "table",
                   .message = "table " + session_.address().table +
                              " is longer than one request can read, and each look would read all "
                              "of it; name the circuits to watch",
                   .retryable = false,
                   .source = "dynamodb"};
    }
    std::vector<std::string> names;
    for (const auto& reading : listing->circuits) names.push_back(reading.name);
    return names;
  }
  Result<std::optional<Change>> look(const std::string& name, bool tell_new) override {
    const auto reading = session_.read(name, /*consistent=*/false);
    if (!reading) return reading.error();
    return seen_.look(*reading, tell_new);
  }
  bool pause(Duration duration) override { return session_.pause(duration); }

 private:
  PowertoolsSession& session_;
  PowertoolsWatch seen_;
};

int watch(Context& context, const WatchOptions& options, Watched& watched) {
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
      auto all = watched.names();
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
      const auto change = watched.look(names[i], round > 0);
      if (!change) {
        if (const int exit_code = failed(change.error()); exit_code != kDone) return exit_code;
        good = false;
        break;
      }
      if (*change) {
        context.out << (options.output == Output::json ? (*change)->json() : (*change)->text())
                    << '\n';
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
    if (!watched.pause(options.interval)) return kInterrupted;
  }
}

int watch(Context& context, const WatchOptions& options) {
  const auto settings = load_settings(context, options.settings);
  if (!settings) return kUsage;
  const std::string& store = settings->config.store;
  int code = kDone;
  if (stores::is_powertools_url(store)) {
    const auto session = PowertoolsSession::open(context, store, code);
    if (!session) return code;
    WatchedPowertools watched(*session);
    return watch(context, options, watched);
  }
  for (const std::string& name : options.names) {
    if (report_wrong_name(context, name)) return kUsage;
  }
  const auto session = StoreSession::open(context, store, code);
  if (!session) return code;
  WatchedStore watched(*session);
  return watch(context, options, watched);
}

}  // namespace

void add_watch(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "watch", "a line for each change of state or hold, until Ctrl-C",
                  {"switchgear circuits watch                  # all circuits, new ones too",
                   "switchgear circuits watch payments-api",
                   "switchgear circuits watch --output json | jq -r .to"});
  const auto options = std::make_shared<WatchOptions>();
  command->add_option("NAME", options->names, "Names of circuits (default: all)")->type_name("");
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
