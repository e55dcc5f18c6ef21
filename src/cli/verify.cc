#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <ostream>

#include "aws/access.h"
#include "cli/app.h"
#include "cli/patient_loop.h"
#include "cli/settings.h"
#include "cli/terminal.h"
#include "cli/version.h"
#include "config/json_writer.h"
#include "guard/identity.h"
#include "net/clocks.h"
#include "stores/open.h"
#include "stores/verification.h"

namespace switchgear::cli {
namespace {

struct VerifyOptions {
  Output output = Output::table;
  std::string store = "dynamodb";
  std::string region;
  std::string profile;
  std::string endpoint_url;
  std::string table;
  int rounds = 100;
  bool yes = false;
  bool print_policy = false;
};

constexpr const char* kTablePrefix = "switchgear-verify-";
constexpr Duration kOperationTimeout = 10s;
constexpr Duration kCredentialsTimeout = 1min;
const stores::CapacityPrices kPrices;

std::string dollars(double amount) {
  char text[40];
  std::snprintf(text, sizeof text, amount < 0.01 ? "%.6f USD" : "%.2f USD", amount);
  return text;
}

// What the report is about, besides the findings.
struct Subject {
  std::string table;
  std::string region;
  std::string endpoint;
  StoreTime started;
};

std::size_t holding(const stores::Verification& found) {
  return static_cast<std::size_t>(
      std::ranges::count_if(found.behaviours, [](const auto& b) { return b.flaws.empty(); }));
}

double each(double units, const stores::OperationFigures& figures) {
  const double calls = static_cast<double>(figures.times.size()) + figures.failed;
  return calls == 0 ? 0 : units / calls;
}

std::string ms(Duration time) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f", std::chrono::duration<double, std::milli>(time).count());
  return text;
}

void print_markdown(std::ostream& out, const Subject& subject, const stores::Verification& found) {
  using stores::without_accounts;
  out << "# switchgear verify aws\n\n"
      << "- switchgear " << version() << ", " << iso_time(subject.started) << '\n'
      << "- store dynamodb, region " << subject.region << ", endpoint " << subject.endpoint << '\n'
      << "- table " << subject.table << ": "
      << (!found.made     ? "not made"
          : found.removed ? "made, and removed"
          : found.seen    ? "made, and STILL THERE"
                          : "PERHAPS MADE, and not seen")
      << "\n- " << found.requests << " requests, " << short_number(found.all.read_units)
      << " read units and " << short_number(found.all.write_units) << " write units, "
      << found.all.untold << " failed conditions, of which no answer tells the units: about "
      << dollars(stores::cost_of(found.all, kPrices)) << " (" << kPrices.read_units
      << " USD per million read units, " << kPrices.write_units << " write units: " << kPrices.of
      << ")\n";
  for (const std::string& problem : found.problems) {
    out << "- PROBLEM: " << without_accounts(problem) << '\n';
  }
  out << "\n## Behaviours\n\n" << holding(found) << " of " << found.behaviours.size() << " hold.\n";
  for (const auto& behaviour : found.behaviours) {
    for (const stores::Flaw& flaw : behaviour.flaws) {
      out << "- " << behaviour.name << " (" << flaw.file << ':' << flaw.line
          << "): " << without_accounts(flaw.text) << '\n';
    }
  }
  out << "\n## Latency and capacity of each operation\n\n"
      << "| operation | times | failed | p50 ms | p90 ms | p99 ms | max ms | read units each | "
         "write units each |\n"
      << "|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& o : found.operations) {
    out << "| " << o.name << " | " << o.times.size() << " | " << o.failed << " | "
        << ms(o.quantile(0.5)) << " | " << ms(o.quantile(0.9)) << " | " << ms(o.quantile(0.99))
        << " | " << ms(o.quantile(1)) << " | " << short_number(each(o.read_units, o)) << " | "
        << short_number(each(o.write_units, o)) << " |\n";
  }
}

void write_json(std::ostream& out, const Subject& subject, const stores::Verification& found) {
  using stores::without_accounts;
  const auto in_ms = [](Duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
  };
  config::JsonWriter json;
  json.begin_object().member("version", version()).member("started", iso_time(subject.started));
  json.member("store", "dynamodb").member("region", subject.region);
  json.member("endpoint", subject.endpoint).member("table", subject.table);
  json.member("made", found.made).member("seen", found.seen).member("removed", found.removed);
  json.key("problems").begin_array();
  for (const std::string& problem : found.problems) json.value(without_accounts(problem));
  json.end_array().key("behaviours").begin_array();
  for (const auto& behaviour : found.behaviours) {
    json.begin_object().member("name", behaviour.name);
    json.member("holds", behaviour.flaws.empty()).key("flaws").begin_array();
    for (const stores::Flaw& flaw : behaviour.flaws) {
      json.value(flaw.file + ":" + std::to_string(flaw.line) + ": " + without_accounts(flaw.text));
    }
    json.end_array().end_object();
  }
  json.end_array().key("operations").begin_array();
  for (const auto& o : found.operations) {
    json.begin_object().member("operation", o.name).member("times", o.times.size());
    json.member("failed", o.failed).member("p50_ms", in_ms(o.quantile(0.5)));
    json.member("p90_ms", in_ms(o.quantile(0.9))).member("p99_ms", in_ms(o.quantile(0.99)));
    json.member("max_ms", in_ms(o.quantile(1)));
    json.member("read_units_each", each(o.read_units, o));
    json.member("write_units_each", each(o.write_units, o)).end_object();
  }
  json.end_array().key("consumed").begin_object().member("requests", found.requests);
  json.member("read_units", found.all.read_units).member("write_units", found.all.write_units);
  json.member("failed_conditions", found.all.untold).end_object();
  json.key("cost").begin_object().member("usd", stores::cost_of(found.all, kPrices));
  json.member("usd_per_million_read_units", kPrices.read_units);
  json.member("usd_per_million_write_units", kPrices.write_units);
  json.member("prices_of", kPrices.of).end_object().end_object();
  out << json.text();
}

// Whether the person at the terminal agrees.
bool agrees(Context& context) {
  context.err << "Go on? [y/N] " << std::flush;
  std::string line;
  std::getline(std::cin, line);
  return line == "y" || line == "Y" || line == "yes";
}

int verify_aws(Context& context, const VerifyOptions& options) {
  const auto usage = [&](const std::string& what) {
    context.err << "switchgear verify aws: " << what << '\n';
    return kUsage;
  };
  const auto identity = guard::random_identity();
  if (options.store != "dynamodb") {
    const bool later = options.store == "momento" || options.store == "redis";
    return usage("--store " + options.store +
                 (later ? " is not in this version" : " is not known") + "; write dynamodb");
  }
  const std::string table =
      options.table.empty() ? kTablePrefix + std::to_string(identity.seed) : options.table;
  const std::string url =
      "dynamodb://" + table + (options.region.empty() ? "" : "?region=" + options.region);
  if (const auto checked = stores::check_store_url(url); !checked) {
    return usage(checked.error().text());
  }
  if (options.print_policy) {
    context.out << stores::verification_policy(
        options.region, options.table.empty() ? std::string(kTablePrefix) + "*" : options.table);
    return kDone;
  }

  context.aws_profile = options.profile;
  aws::Environment environment = context.aws_environment();
  if (!options.endpoint_url.empty()) {
    environment = [given = options.endpoint_url, other = context.aws_environment()](
                      const std::string& name) -> std::optional<std::string> {
      if (name == "AWS_ENDPOINT_URL_DYNAMODB") return given;
      if (name == "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") return std::nullopt;
      return other(name);
    };
  }
  // Of all stores that are opened, so that a program or a role is asked once.
  std::shared_ptr<aws::CredentialsProvider> credentials;
  const auto open = [&](net::Loop& loop, std::function<void(const aws::Consumed&)> on_consumed,
                        bool consistent_reads) -> Result<std::unique_ptr<stores::DynamoDbStore>> {
    auto store = stores::open_store(loop, url,
                                    {.timeout = kOperationTimeout,
                                     .seed = identity.seed,
                                     .environment = environment,
                                     .credentials = credentials,
                                     .credentials_timeout = kCredentialsTimeout,
                                     .consistent_reads = consistent_reads,
                                     .on_consumed = std::move(on_consumed)});
    if (!store) return store.error();
    const auto* dynamodb = dynamic_cast<const stores::DynamoDbStore*>(store->get());
    if (dynamodb == nullptr) return std::unique_ptr<stores::DynamoDbStore>();
    return std::unique_ptr<stores::DynamoDbStore>(
        static_cast<stores::DynamoDbStore*>(store->release()));
  };

  Subject subject{.table = table, .started = StoreTime{}};
  {
    // What it takes is there, before anybody is asked.
    net::Loop none;
    const auto opened = open(none, {}, false);
    if (!opened) return usage(opened.error().text());
    subject.region = (*opened)->endpoint().region;
    subject.endpoint = (*opened)->endpoint().url.host_port();
  }
  context.err << "This makes the DynamoDB table " << table << " in " << subject.region << " ("
              << subject.endpoint << "), runs " << "the behaviours of the store on it, and removes "
              << "it. It costs " << dollars(std::ceil(stores::cost_at_most(kPrices) * 100) / 100)
              << " at most, mostly less than a hundredth of that (" << kPrices.of << ").\n";
  if (!options.yes) {
    if (::isatty(STDIN_FILENO) != 1) return usage("nobody can be asked here; say --yes");
    if (!agrees(context)) return kFailed;
  }
  subject.started = StoreTime{floor_ms(net::read_clocks().wall.time_since_epoch())};

  PatientLoop loop;
  auto access = aws::open_access(loop.loop(), {.service = "dynamodb", .region = subject.region},
                                 environment, identity.seed);
  if (!access) return usage(access.error().text());
  credentials = std::move(access->credentials);
  credentials->listen(context.credentials_listener());
  const auto found =
      stores::verify(loop.loop(), [&] { return loop.waiting().stopped(); },
                     {.table = table,
                      .rounds = options.rounds,
                      .open =
                          [&](auto on_consumed, bool consistent_reads) {
                            return open(loop.loop(), std::move(on_consumed), consistent_reads);
                          },
                      .progress =
                          [&](const std::string& what) {
                            if (context.colour_on_err) {
                              context.err << "\r\033[K" << what << std::flush;
                            } else if (!what.starts_with("behaviour ")) {
                              context.err << what << '\n';
                            }
                          }});
  credentials.reset();  // it lives on the loop
  if (context.colour_on_err) context.err << "\r\033[K";
  if (options.output == Output::json) {
    write_json(context.out, subject, found);
  } else {
    print_markdown(context.out, subject, found);
  }
  for (const std::string& problem : found.problems) {
    context.err << "switchgear verify aws: " << problem << '\n';
  }
  if (loop.waiting().stopped()) return kInterrupted;
  const bool well = found.problems.empty() && holding(found) == found.behaviours.size();
  if (well) return kDone;
  for (const std::string_view code : {"dns", "connect", "timeout", "tls", "closed"}) {
    if (!found.made && found.failure && found.failure->code == code) return kStoreUnreachable;
  }
  return kFailed;
}

}  // namespace

void add_verify(CLI::App& parent, Chosen& chosen) {
  CLI::App* group =
      add_command(parent, "verify", "try a store in your own account, and report what is so",
                  {"switchgear verify aws --store dynamodb --region eu-central-1"});
  group->require_subcommand(1);
  CLI::App* aws = add_command(
      *group, "aws", "the DynamoDB store on a table of AWS that it makes and removes",
      {"switchgear verify aws --store dynamodb --region eu-central-1",
       "switchgear verify aws --store dynamodb --region eu-central-1 --yes > report.md",
       "switchgear verify aws --print-policy --region eu-central-1   # the rights it needs",
       "switchgear verify aws --endpoint-url http://127.0.0.1:4566 --yes   # an emulator"});
  const auto options = std::make_shared<VerifyOptions>();
  aws->add_option("--store", options->store, "What to try: dynamodb (default)")->type_name("KIND");
  aws->add_option("--region", options->region, "AWS region of the table")->type_name("REGION");
  add_profile_option(*aws, options->profile);
  aws->add_option("--table", options->table,
                  "Name of the table to make; must not be there (default: switchgear-verify- and "
                  "a random number)")
      ->type_name("NAME");
  aws->add_option("--rounds", options->rounds, "How often each operation is timed (default 100)")
      ->check(CLI::Range(1, 1000))
      ->type_name("NUMBER");
  aws->add_flag("--yes", options->yes, "Do not ask before making the table");
  aws->add_flag("--print-policy", options->print_policy,
                "Print the IAM policy that this needs, and do nothing");
  aws->add_option("--endpoint-url", options->endpoint_url,
                  "Where DynamoDB is, for an emulator (default: the region's own)")
      ->type_name("URL");
  add_output_option(*aws, options->output);
  aws->get_option("--output")->description("table (a report in Markdown, default) or json");
  aws->callback([options, &chosen] {
    chosen = [options](Context& context) { return verify_aws(context, *options); };
  });
}

}  // namespace switchgear::cli
