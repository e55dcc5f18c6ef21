#include "controller/templates/template.h"

#include <cstdio>
#include <memory>
#include <ostream>
#include <set>

#include "cli/app.h"
#include "config/config.h"
#include "config/json_writer.h"
#include "config/values.h"
#include "controller/templates/detection.h"

namespace switchgear::cli {
namespace {

using controller::Template;
using controller::TemplateKind;
using controller::TemplateOptions;

struct TemplateFlags {
  TemplateOptions options;
  Output output = Output::table;
};

std::string usd(double amount) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", amount);
  return text;
}

// "2m30s": people count in minutes here.
std::string minutes_text(Duration d) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(d).count();
  std::string text;
  if (seconds >= 60) text = std::to_string(seconds / 60) + "m";
  if (seconds % 60 != 0 || seconds < 60) text += std::to_string(seconds % 60) + "s";
  return text;
}

double seconds_of(Duration d) { return std::chrono::duration<double>(d).count(); }

std::set<std::string> actions_of(const Template& made) {
  std::set<std::string> actions;
  for (const auto& statement : made.statements) {
    actions.insert(statement.actions.begin(), statement.actions.end());
  }
  return actions;
}

// A controller alone has no alarms whose time could be told.
bool has_detection(const TemplateOptions& options) {
  return options.kind != TemplateKind::controller;
}

void write_json(Context& context, const TemplateOptions& options, const Template& made) {
  config::JsonWriter json;
  json.begin_object().member("template", made.text);
  if (has_detection(options)) {
    const controller::Detection detection = controller::detection_of(options);
    json.key("seconds_to_detect").begin_object();
    json.member("least", seconds_of(detection.least))
        .member("average", seconds_of(detection.average))
        .member("most", seconds_of(detection.most))
        .member("more_if_calls_hang", seconds_of(detection.hanging))
        .end_object();
  }
  json.key("usd_per_month").begin_object();
  for (const auto& cost : made.costs) json.member(cost.what, cost.usd);
  json.member("total", total(made.costs)).end_object();
  json.member("prices", controller::kPricesAsOf).key("iam_actions").begin_array();
  for (const std::string& action : actions_of(made)) json.value(action);
  json.end_array().key("notes").begin_array();
  for (const std::string& note : made.notes) json.value(note);
  context.out << json.end_array().end_object().text();
}

// `text` in lines of at most 100 columns, all but the first indented by two.
std::string wrapped(const std::string& text) {
  constexpr std::size_t kColumns = 98;
  std::string lines;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (column != 0) {
      const bool fits = column + 1 + word.size() <= kColumns;
      lines += fits ? " " : "\n  ";
      column = fits ? column + 1 : 0;
    }
    lines += word;
    column += word.size();
    at = end + 1;
  }
  return lines;
}

void write_summary(Context& context, const TemplateOptions& options, const Template& made) {
  std::ostream& err = context.err;
  if (has_detection(options)) {
    const controller::Detection detection = controller::detection_of(options);
    err << wrapped(
               "Time to detect, once every call fails: " + minutes_text(detection.least) + " to " +
               minutes_text(detection.most) + ", " + minutes_text(detection.average) +
               " on average; up to " + minutes_text(detection.hanging) +
               " more if calls hang. CloudWatch promises none of it: counted are the minutes that "
               "must breach, and up to two until an alarm has seen them.")
        << '\n';
  }
  std::string costs = "Cost per month: USD " + usd(total(made.costs)) + " (";
  bool first = true;
  for (const auto& cost : made.costs) {
    costs += (first ? "" : ", ") + cost.what + " " + usd(cost.usd);
    first = false;
  }
  err << wrapped(costs + "); " + std::string(controller::kPricesAsOf) +
                 ", without free tiers and without the messages themselves.")
      << '\n';
  std::string actions = "IAM actions: ";
  first = true;
  for (const std::string& action : actions_of(made)) {
    actions += (first ? "" : ", ") + action;
    first = false;
  }
  err << wrapped(actions + ".") << '\n';
  for (const std::string& note : made.notes) err << wrapped("- " + note) << '\n';
}

int print_template(Context& context, const TemplateFlags& flags) {
  const Problems problems = flags.options.validate();
  if (!problems.empty()) {
    context.err << "switchgear template " << to_string(flags.options.kind)
                << ": this cannot work:\n";
    for (const Problem& problem : problems) {
      context.err << "  " << problem.place << ": " << problem.message << '\n';
    }
    return kUsage;
  }
  const Template made = controller::make_template(flags.options);
  if (flags.output == Output::json) {
    write_json(context, flags.options, made);
  } else {
    context.out << made.text;
    write_summary(context, flags.options, made);
  }
  return kDone;
}

void add_guarded(CLI::App& command, TemplateOptions& o) {
  command.add_option("--function", o.functions, "The function that is guarded: its name or ARN")
      ->type_name("NAME");
  command.add_option("--queue", o.queues, "ARN of the SQS queue that it reads")->type_name("ARN");
  if (o.kind != TemplateKind::controller) {
    add_duration_option(command, "--function-timeout", o.function_timeout,
                        "The function's own time-out");
  }
  if (o.kind != TemplateKind::fis) {
    command.add_option("--mapping", o.mappings, "UUID of its event source mapping")
        ->type_name("UUID");
    command
        .add_option("--circuit", o.circuit, "Name of the circuit (default: the function's name)")
        ->type_name("NAME");
  }
}

void add_alarm_options(CLI::App& command, TemplateOptions& o) {
  command
      .add_option("--error-percent", o.error_percent,
                  "Share of failed events or invocations that breaches (default 50)")
      ->type_name("PERCENT");
  command
      .add_option("--minimum", o.minimum,
                  "Events or invocations in a period, with fewer of which it never breaches "
                  "(default 5)")
      ->type_name("COUNT");
  add_duration_option(command, "--period", o.period, "Of the alarms, whole minutes (default 1m)");
  command.add_option("--datapoints", o.datapoints, "Breaching periods that open (default 2)")
      ->type_name("COUNT");
  command
      .add_option("--periods", o.periods,
                  "Among how many (default: what the function's time-out asks for)")
      ->type_name("COUNT");
  add_duration_option(command, "--open-duration", o.open_duration,
                      "Before the first trial (default 30s)");
  add_duration_option(command, "--max-open-duration", o.max_open_duration,
                      "To which it grows (default 5m)");
  command
      .add_option("--maximum-concurrency", o.maximum_concurrency,
                  "Of the mapping that the stack makes (default: no cap)")
      ->type_name("COUNT");
  command.add_flag("--partial-batches", o.partial_batches,
                   "The mapping that the stack makes has ReportBatchItemFailures");
}

void add_controller_options(CLI::App& command, TemplateOptions& o) {
  command
      .add_option("--store", o.store,
                  "dynamodb://TABLE that is there (default: a table of the stack)")
      ->type_name("URL");
  command
      .add_option("--code-uri", o.code_uri,
                  "Folder, archive or s3:// address with the program as `bootstrap` (default: "
                  "package/)")
      ->type_name("URI");
  command
      .add_option("--notify", o.notify,
                  "ARN of an SNS topic that is told of every change of a circuit and of the "
                  "controller's own health")
      ->type_name("ARN");
}

void add_fault_options(CLI::App& command, TemplateOptions& o) {
  add_duration_option(command, "--duration", o.fault_duration,
                      "Of each fault, and of the recovery after it (default 15m)");
  add_duration_option(command, "--stop-age", o.stop_age,
                      "Age of the queue's oldest message that stops an experiment (default 1h)");
  command
      .add_option("--dead-letter-queue", o.dead_letter_queue,
                  "ARN of the queue whose first message stops an experiment")
      ->type_name("ARN");
}

void add_kind(CLI::App& parent, Chosen& chosen, TemplateKind kind, const std::string& summary,
              const std::vector<std::string>& examples) {
  CLI::App* command = add_command(parent, std::string(to_string(kind)), summary, examples);
  const auto flags = std::make_shared<TemplateFlags>();
  TemplateOptions& o = flags->options;
  o.kind = kind;
  add_guarded(*command, o);
  if (kind == TemplateKind::alarm_breaker || kind == TemplateKind::trial_breaker) {
    add_alarm_options(*command, o);
  } else {
    command
        ->add_option("--alarm", o.alarms,
                     kind == TemplateKind::fis ? "Name of an alarm that must be well at the end"
                                               : "Name of an alarm that opens the circuit")
        ->type_name("NAME");
  }
  if (kind == TemplateKind::fis) {
    add_fault_options(*command, o);
  } else {
    add_controller_options(*command, o);
  }
  command->add_flag("--arm64", o.arm64, "For arm64 instead of x86_64");
  add_output_option(*command, flags->output);
  command->callback([&chosen, flags] {
    chosen = [flags](Context& context) { return print_template(context, *flags); };
  });
}

}  // namespace

void add_template(CLI::App& parent, Chosen& chosen) {
  const auto example = [](const std::string& kind, const std::string& rest) {
    return std::vector<std::string>{
        "switchgear template " + kind + " --function charge \\",
        "    --queue arn:aws:sqs:eu-central-1:123456789012:orders --function-timeout 30s" + rest};
  };
  CLI::App* command = add_command(parent, "template", "SAM templates: circuits, controller, faults",
                                  example("alarm-breaker", " > circuit.yaml"));
  command->require_subcommand(1);
  add_kind(*command, chosen, TemplateKind::alarm_breaker,
           "alarms that open a circuit and tell when to try again, and its controller",
           example("alarm-breaker", " > circuit.yaml"));
  add_kind(*command, chosen, TemplateKind::trial_breaker,
           "alarms that open a circuit, which trial messages alone close, and its controller",
           example("trial-breaker", " > circuit.yaml"));
  add_kind(*command, chosen, TemplateKind::controller,
           "the controller alone, for alarms that are there already",
           {"switchgear template controller --alarm charge-errors --function charge \\",
            "    --queue arn:aws:sqs:eu-central-1:123456789012:orders \\",
            "    --mapping 1f0a6a04-2c5e-4f8e-9d5b-0a1b2c3d4e5f > controller.yaml"});
  add_kind(*command, chosen, TemplateKind::fis, "faults to test a circuit with, for AWS FIS",
           example("fis", " > faults.yaml"));
}

}  // namespace switchgear::cli
