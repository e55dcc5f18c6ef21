#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/circuit_view.h"
#include "cli/patient_loop.h"
#include "cli/settings.h"
#include "cli/terminal.h"
#include "config/json_writer.h"
#include "guard/identity.h"
#include "net/redis_address.h"
#include "net/url.h"
#include "stores/diagnosis.h"
#include "stores/dynamodb_store.h"
#include "stores/open.h"

namespace switchgear::cli {
namespace {

using stores::Finding;
using stores::Grade;

struct DoctorOptions {
  SettingsOptions settings;
  Output output = Output::table;
};

// More than a process grants, so that a slow store is told from one that does not answer.
constexpr Duration kOperationTimeout = 3s;
constexpr Duration kCredentialsTimeout = 1min;

Colour colour_of(Grade grade) {
  switch (grade) {
    case Grade::ok:
      return Colour::green;
    case Grade::warning:
      return Colour::yellow;
    case Grade::error:
      return Colour::red;
    case Grade::not_checked:
      break;
  }
  return Colour::none;
}

// `text` in lines of `width` columns, all but the first behind `indent` spaces. Words are never
// cut: a command stays one to copy.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const auto space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (column > indent && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

void print(Context& context, const std::vector<Finding>& findings) {
  constexpr std::size_t kGradeWidth = 13;  // "not checked" and two spaces
  std::size_t widest = 0;
  for (const Finding& finding : findings) widest = std::max(widest, finding.check.size());
  const std::size_t indent = kGradeWidth + widest + 2;
  const auto width = std::max(static_cast<std::size_t>(std::max(context.width, 0)), indent + 40);
  for (const Finding& finding : findings) {
    const std::string_view grade = to_string(finding.grade);
    context.out << coloured(grade, colour_of(finding.grade), context.colour)
                << std::string(kGradeWidth - grade.size(), ' ') << finding.check
                << std::string(widest + 2 - finding.check.size(), ' ')
                << wrapped(finding.found, indent, width) << '\n';
    if (finding.fix.empty()) continue;
    context.out << std::string(indent, ' ') << wrapped("Fix: " + finding.fix, indent, width)
                << '\n';
  }
}

void write(Context& context, const std::vector<Finding>& findings, const std::string& store,
           bool reached) {
  config::JsonWriter json;
  json.begin_object().member("store", store).member("reached", reached);
  json.key("findings").begin_array();
  for (const Finding& finding : findings) {
    json.begin_object().member("check", finding.check);
    json.member("grade", to_string(finding.grade)).member("found", finding.found).key("fix");
    if (finding.fix.empty()) {
      json.null();
    } else {
      json.value(finding.fix);
    }
    json.end_object();
  }
  json.end_array().end_object();
  context.out << json.text();
}

int finish(Context& context, const DoctorOptions& options, const std::vector<Finding>& findings,
           const std::string& store, bool reached, int code) {
  if (options.output == Output::json) {
    write(context, findings, store, reached);
  } else {
    print(context, findings);
  }
  const auto number_of = [&](Grade grade) {
    return static_cast<double>(std::ranges::count(findings, grade, &Finding::grade));
  };
  const double errors = number_of(Grade::error);
  if (code == kDone && errors > 0) code = reached ? kFailed : kStoreUnreachable;
  context.err << (errors > 0 ? count(errors, "error") : "no errors") << ", "
              << count(number_of(Grade::warning), "warning") << '\n';
  return code;
}

int doctor(Context& context, const DoctorOptions& options) {
  std::vector<Finding> findings;
  Problems problems, warnings;
  const auto settings = load_settings(context, options.settings, &problems, &warnings);
  for (const Problem& warning : warnings) {
    findings.push_back({"configuration", Grade::warning, warning.place + ": " + warning.message,
                        "correct it, or take it out; switchgear config schema --output table lists "
                        "the keys"});
  }
  if (!settings) {
    for (const Problem& problem : problems) {
      findings.push_back({"configuration", Grade::error, problem.place + ": " + problem.message,
                          "correct it; switchgear config check goes on from there"});
    }
    findings.push_back({"everything else", Grade::not_checked, "the configuration has problems"});
    return finish(context, options, findings, "", false, kUsage);
  }
  const config::Config& config = settings->config;
  const std::string store_name = net::redact_url(config.store);
  if (warnings.empty()) {
    findings.push_back(
        {"configuration", Grade::ok,
         (settings->file.empty() ? std::string("no switchgear.yaml") : settings->file) + ", " +
             count(static_cast<double>(config.circuits.size()), "circuit") + ", store " +
             store_name});
  }
  if (config.store == "memory:" || config.store == "memory://") {
    findings.push_back({"store", Grade::error,
                        "no store is named, and a circuit in memory belongs to one process alone",
                        "name the store that the fleet shares: --store redis://HOST:PORT or "
                        "dynamodb://TABLE, SWITCHGEAR_STORE, or store in switchgear.yaml"});
    return finish(context, options, findings, store_name, false, kUsage);
  }

  PatientLoop loop;
  const auto identity = guard::random_identity();
  auto store = stores::open_store(loop.loop(), config.store,
                                  {.timeout = kOperationTimeout,
                                   .seed = identity.seed,
                                   .environment = context.aws_environment(),
                                   .on_credentials = context.credentials_listener(),
                                   .credentials_timeout = kCredentialsTimeout});
  if (!store) {
    findings.push_back({"store", Grade::error, store.error().text(),
                        "give what is missing, by option, variable or switchgear.yaml"});
    return finish(context, options, findings, store_name, false, kUsage);
  }
  stores::DiagnosisOptions how{.random = identity.seed,
                               .fingerprint = [&](const std::string& name) {
                                 return policy_for(config, name).fingerprint();
                               }};
  if (const auto* dynamodb = dynamic_cast<stores::DynamoDbStore*>(store->get())) {
    if (dynamodb->is_direct()) {
      how.host = dynamodb->endpoint().url.host;
      how.port = dynamodb->endpoint().url.port;
    }
  } else if (const auto address = net::redis_address(config.store);
             address && address->hosts.size() == 1) {
    how.host = address->hosts.front().host;
    how.port = address->hosts.front().port;
  }
  if (context.colour_on_err) {
    how.progress = [&](const std::string& what) {
      context.err << "\r\033[Klooking at: " << what << " …" << std::flush;
    };
  }
  stores::Diagnosis diagnosis = stores::diagnose(loop.waiting(), **store, how);
  if (context.colour_on_err) context.err << "\r\033[K";
  findings.insert(findings.end(), diagnosis.findings.begin(), diagnosis.findings.end());
  const bool interrupted = loop.waiting().stopped();
  if (interrupted) {
    findings.push_back({"everything else", Grade::not_checked, "interrupted"});
  }
  return finish(context, options, findings, store_name, diagnosis.reached,
                interrupted ? kInterrupted : kDone);
}

}  // namespace

void add_doctor(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(
      parent, "doctor", "what is wrong with the store and the way to it, each with its fix",
      {"switchgear doctor                            the store of switchgear.yaml",
       "switchgear doctor --store redis://cache.internal:6379",
       "switchgear doctor --store dynamodb://switchgear-circuits?region=eu-central-1",
       "switchgear doctor --output json"});
  const auto options = std::make_shared<DoctorOptions>();
  add_settings_options(*command, options->settings);
  add_output_option(*command, options->output);
  command->callback([&chosen, options] {
    chosen = [options](Context& context) { return doctor(context, *options); };
  });
}

}  // namespace switchgear::cli
