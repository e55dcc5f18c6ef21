#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/settings.h"
#include "cli/terminal.h"
#include "config/json_writer.h"
#include "config/keys.h"
#include "config/schema.h"
#include "core/policy.h"

namespace switchgear::cli {
namespace {

struct CheckOptions {
  SettingsOptions settings;
  Output output = Output::table;
  double calls_per_second = 100;
  double baseline = -1;  // measured failure rate; below 0: not given
};

// A rule of a circuit and what it comes down to.
struct RuleFacts {
  std::string circuit;
  const Policy* policy = nullptr;
  std::string name;  // "failure_rate" or "slow_call_rate"
  core::CusumRule rule;
  double acceptable = 0;
  double unacceptable = 0;
  double false_trips_per_day = 0;  // at the acceptable rate, or at the baseline
};

// More often than this is no longer rare: once in ten days.
constexpr double kFalseTripsPerDayMax = 0.1;

std::vector<RuleFacts> rules_of(const config::Config& config, const CheckOptions& options) {
  std::vector<RuleFacts> all;
  for (const auto& [name, policy] : config.circuits) {
    const core::CompiledPolicy compiled = core::compile(policy, options.calls_per_second);
    const auto add = [&](const char* rule_name, core::CusumRule rule, double low, double high,
                         double normal) {
      if (rule.weight == 0) return;
      all.push_back({name, &policy, rule_name, rule, low, high,
                     core::expected_false_trips_per_day(rule, normal, options.calls_per_second)});
    };
    add("failure_rate", compiled.failure_rule, policy.acceptable_failure_rate,
        policy.unacceptable_failure_rate,
        options.baseline >= 0 ? options.baseline : policy.acceptable_failure_rate);
    add("slow_call_rate", compiled.slow_rule, policy.acceptable_slow_call_rate,
        policy.unacceptable_slow_call_rate, policy.acceptable_slow_call_rate);
  }
  return all;
}

std::string mode_of(const Policy& policy) {
  for (const auto& key : config::circuit_keys()) {
    if (key.name == "mode") return key.get(policy);
  }
  return {};
}

std::string trips_text(double per_day) {
  if (per_day <= 0) return "never";
  return "once in " + short_duration(std::chrono::duration_cast<Duration>(
                          std::chrono::duration<double>(std::min(86'400 / per_day, 7.8e9))));
}

void print_rules(Context& context, const std::vector<RuleFacts>& rules) {
  Table table({"CIRCUIT", "MODE", "RULE", "W", "H", "CALLS AT 100%", "50%", "20%",
               "AT UNACCEPTABLE", "FALSE TRIPS"});
  for (const RuleFacts& r : rules) {
    const auto calls = [&](double rate) {
      return short_number(core::mean_calls_until_trip(r.rule, rate));
    };
    table.add({r.circuit, mode_of(*r.policy), r.name, std::to_string(r.rule.weight),
               std::to_string(r.rule.level), calls(1), calls(0.5), calls(0.2),
               calls(r.unacceptable) + " (" + config::write_rate(r.unacceptable) + ")",
               Cell(trips_text(r.false_trips_per_day),
                    r.false_trips_per_day > kFalseTripsPerDayMax ? Colour::yellow : Colour::none)});
  }
  table.print(context.out, context.colour);
}

// The classic rule of a circuit, once per rate that it judges: what opens it, in a sentence.
struct ClassicFacts {
  std::string circuit;
  const Policy* policy = nullptr;
  std::string name;
  core::WindowRule rule;
  double threshold = 0;
};

std::vector<ClassicFacts> classic_rules_of(const config::Config& config) {
  std::vector<ClassicFacts> all;
  for (const auto& [name, policy] : config.circuits) {
    if (policy.rule != Rule::classic) continue;
    const core::WindowRule rule = core::window_rule(policy);
    all.push_back({name, &policy, "failure_rate", rule, rule.failure_rate});
    if (rule.slow_call_rate > 0) {
      all.push_back({name, &policy, "slow_call_rate", rule, rule.slow_call_rate});
    }
  }
  return all;
}

std::string unit_of(const core::WindowRule& rule) {
  return rule.type == SlidingWindowType::time ? "seconds" : "calls";
}

void print_classic_rules(Context& context, const std::vector<ClassicFacts>& rules) {
  Table table({"CIRCUIT", "MODE", "RULE", "WINDOW", "MINIMUM", "OPENS AT"});
  for (const ClassicFacts& r : rules) {
    table.add({r.circuit, mode_of(*r.policy), r.name,
               std::to_string(r.rule.size) + " " + unit_of(r.rule),
               std::to_string(r.rule.minimum_calls) + " calls", config::write_rate(r.threshold)});
  }
  table.print(context.out, context.colour);
}

void write_rules(Context& context, const Settings& settings, const CheckOptions& options,
                 const std::vector<RuleFacts>& rules) {
  config::JsonWriter json;
  json.begin_object().member("valid", true);
  json.key("file");
  if (settings.file.empty()) {
    json.null();
  } else {
    json.value(settings.file);
  }
  json.member("calls_per_second", options.calls_per_second);
  json.key("circuits").begin_array();
  for (const auto& [name, policy] : settings.config.circuits) {
    json.begin_object().member("name", name);
    json.key("settings").begin_object();
    for (const auto& key : config::circuit_keys()) json.member(key.name, key.get(policy));
    json.end_object();
    json.key("rules").begin_array();
    for (const RuleFacts& r : rules) {
      if (r.circuit != name) continue;
      json.begin_object().member("rule", r.name);
      json.member("weight", r.rule.weight).member("level", r.rule.level);
      json.key("mean_calls_to_trip").begin_object();
      json.member("100%", core::mean_calls_until_trip(r.rule, 1));
      json.member("50%", core::mean_calls_until_trip(r.rule, 0.5));
      json.member("20%", core::mean_calls_until_trip(r.rule, 0.2));
      json.member("unacceptable", core::mean_calls_until_trip(r.rule, r.unacceptable));
      json.end_object();
      json.member("acceptable_rate", r.acceptable).member("unacceptable_rate", r.unacceptable);
      json.member("expected_false_trips_per_day", r.false_trips_per_day).end_object();
    }
    for (const ClassicFacts& r : classic_rules_of(settings.config)) {
      if (r.circuit != name) continue;
      json.begin_object().member("rule", r.name).member("window", r.rule.size);
      json.member("window_unit", unit_of(r.rule)).member("minimum_calls", r.rule.minimum_calls);
      json.member("threshold", r.threshold).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  context.out << json.text();
}

void write_problems(Context& context, const Problems& problems) {
  config::JsonWriter json;
  json.begin_object().member("valid", false).key("problems").begin_array();
  for (const Problem& problem : problems) {
    json.begin_object().member("place", problem.place);
    json.member("message", problem.message).end_object();
  }
  json.end_array().end_object();
  context.out << json.text();
}

int check(Context& context, const CheckOptions& options) {
  Problems problems;
  const auto settings = load_settings(context, options.settings, &problems);
  if (!settings) {
    if (options.output == Output::json) write_problems(context, problems);
    return kUsage;
  }
  const auto rules = rules_of(settings->config, options);
  if (options.output == Output::json) {
    write_rules(context, *settings, options, rules);
  } else {
    const auto classic = classic_rules_of(settings->config);
    if (!rules.empty()) print_rules(context, rules);
    if (!classic.empty()) print_classic_rules(context, classic);
    context.err << (settings->file.empty() ? "no switchgear.yaml here; the defaults"
                                           : settings->file)
                << (settings->file.empty() ? " are" : " is") << " fine"
                << (rules.empty() && classic.empty() ? "; no circuits are named in it" : "")
                << '\n';
  }
  for (const RuleFacts& r : rules) {
    if (r.false_trips_per_day <= kFalseTripsPerDayMax) continue;
    context.err << "switchgear: warning: " << r.circuit << " would trip falsely "
                << trips_text(r.false_trips_per_day) << " by its " << r.name << " rule"
                << (options.baseline >= 0 && r.name == "failure_rate"
                        ? " at the measured " + config::write_rate(options.baseline)
                        : "")
                << "; raise acceptable_" << r.name << " to what is normal\n";
  }
  return kDone;
}

void add_check(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(
      parent, "check", "check the configuration, and show what the settings come down to",
      {"switchgear config check", "switchgear config check --config prod.yaml",
       "switchgear config check --calls-per-second 2000 --baseline 3%",
       "switchgear config check --output json"});
  const auto options = std::make_shared<CheckOptions>();
  add_settings_options(*command, options->settings);
  add_output_option(*command, options->output);
  command
      ->add_option("--calls-per-second", options->calls_per_second,
                   "Calls per second of the whole fleet (default 100)")
      ->check(CLI::Range(0.001, 1e9))
      ->type_name("RATE");
  command
      ->add_option_function<std::string>(
          "--baseline",
          [options](const std::string& text) {
            const auto rate = config::read_rate(text);
            if (!rate) throw CLI::ValidationError("--baseline", rate.error());
            options->baseline = *rate;
          },
          "Measured failure rate while all is well (default: the acceptable rate)")
      ->type_name("RATE");
  command->callback([&chosen, options] {
    chosen = [options](Context& context) { return check(context, *options); };
  });
}

void add_schema(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "schema", "every key there is, as JSON Schema or for people",
                  {"switchgear config schema > switchgear.schema.json",
                   "switchgear config schema --output table | less"});
  const auto output = std::make_shared<Output>(Output::json);
  add_output_option(*command, *output);
  command->get_option("--output")->description("json (JSON Schema, default) or table");
  command->callback([&chosen, output] {
    chosen = [output](Context& context) {
      context.out << (*output == Output::json ? config::json_schema() : config::reference());
      return int{kDone};
    };
  });
}

}  // namespace

void add_config(CLI::App& parent, Chosen& chosen) {
  CLI::App* group = add_command(parent, "config", "check the configuration, and see all its keys",
                                {"switchgear config check", "switchgear config schema"});
  group->require_subcommand(1);
  add_check(*group, chosen);
  add_schema(*group, chosen);
}

}  // namespace switchgear::cli
