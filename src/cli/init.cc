#include <memory>
#include <ostream>
#include <string_view>

#include "aws/access.h"
#include "aws/dynamodb.h"
#include "cli/app.h"
#include "cli/patient_loop.h"
#include "cli/settings.h"
#include "guard/identity.h"
#include "net/http_client.h"
#include "stores/dynamodb_item.h"
#include "stores/open.h"

namespace switchgear::cli {
namespace {

struct InitOptions {
  std::string table = "switchgear-circuits";
  std::string endpoint_url;
  std::string region;
  std::string profile;
  bool create = false;
};

// A table takes some seconds; one that takes longer than this has other trouble.
constexpr int kLooksMax = 120;
constexpr Duration kLook = 1s;

constexpr std::string_view kTemplate = R"(AWSTemplateFormatVersion: "2010-09-09"
Description: Circuits that a fleet shares
Resources:
  Circuits:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: "{table}"
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - AttributeName: {key}
          AttributeType: S
      KeySchema:
        - AttributeName: {key}
          KeyType: HASH
      TimeToLiveSpecification:
        AttributeName: {ttl}
        Enabled: true
  # For every process that shares circuits.
  UseCircuits:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: [dynamodb:GetItem, dynamodb:UpdateItem]
            Resource: !GetAtt Circuits.Arn
            Condition: {condition}
  # For people besides: circuits list, and circuits reset --forget.
  OperateCircuits:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: dynamodb:Scan
            Resource: !GetAtt Circuits.Arn
          - Effect: Allow
            Action: dynamodb:DeleteItem
            Resource: !GetAtt Circuits.Arn
            Condition: {condition}
)";

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

std::string cloud_formation(const InitOptions& options) {
  std::string text(kTemplate);
  replace_all(text, "{table}", options.table);
  replace_all(text, "{key}", stores::kItemKey);
  replace_all(text, "{ttl}", stores::kItemTtl);
  replace_all(text, "{condition}",
              R"({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [")" +
                  stores::StoreOptions{}.name_space + R"(/*"]}})");
  return text;
}

// Makes the table, one call after the other.
class TableMaker {
 public:
  TableMaker(Context& context, const InitOptions& options, PatientLoop& loop, aws::Access access)
      : context_(context),
        options_(options),
        loop_(loop),
        http_(loop.loop(), std::move(access.http)),
        client_(loop.loop(), http_, std::move(access.endpoint), std::move(access.credentials),
                core::Random(guard::random_identity().seed), access.client),
        dynamodb_(client_, {.attempt_timeout = 10s}) {}

  int run() {
    const auto made = loop_.wait_for<void>(kWhom, [&](const auto& done) {
      dynamodb_.create_table({.name = options_.table, .key_attribute = stores::kItemKey}, done);
    });
    const bool there = !made && made.error().code == "ResourceInUseException";
    if (!made && !there) return refuse(made.error());
    context_.err << (there ? "table " + options_.table + " exists already\n"
                           : "creating table " + options_.table + " …\n");
    if (const int code = wait_until_active(); code != kDone) return code;
    return expire();
  }

 private:
  static constexpr const char* kWhom = "dynamodb";

  int refuse(const Error& error) {
    if (error.code == "interrupted") return kInterrupted;
    context_.err << "switchgear init dynamodb: " << error.text() << '\n';
    return kFailed;
  }

  int wait_until_active() {
    for (int look = 0; look < kLooksMax; ++look) {
      const auto table = loop_.wait_for<aws::TableDescription>(
          kWhom, [&](const auto& done) { dynamodb_.describe_table(options_.table, done); });
      // One that is only just being made may not be known everywhere yet.
      const bool unknown = !table && table.error().code == "ResourceNotFoundException";
      if (!table && !unknown) return refuse(table.error());
      if (table && (table->key_attribute != stores::kItemKey || table->key_type != "S" ||
                    !table->sort_key.empty())) {
        context_.err << "switchgear init dynamodb: table " << options_.table
                     << " has another key than the text \"" << stores::kItemKey
                     << "\" alone, and is left as it is; choose another --table\n";
        return kFailed;
      }
      if (table && table->status == "ACTIVE") return kDone;
      if (!loop_.pause(kLook)) return kInterrupted;
    }
    context_.err << "switchgear init dynamodb: table " << options_.table
                 << " is not active after two minutes; look at it in the console\n";
    return kFailed;
  }

  int expire() {
    const auto now = loop_.wait_for<aws::TimeToLive>(
        kWhom, [&](const auto& done) { dynamodb_.describe_time_to_live(options_.table, done); });
    if (!now) return refuse(now.error());
    if (now->status != "ENABLED" && now->status != "ENABLING") {
      const auto set = loop_.wait_for<void>(kWhom, [&](const auto& done) {
        dynamodb_.update_time_to_live(options_.table, stores::kItemTtl, true, done);
      });
      if (!set) return refuse(set.error());
    } else if (now->attribute != stores::kItemTtl) {
      context_.err << "switchgear init dynamodb: table " << options_.table
                   << " expires items by another attribute, \"" << now->attribute
                   << "\"; unused circuits will stay\n";
      return kFailed;
    }
    context_.err << "ready: store: dynamodb://" << options_.table << '\n';
    return kDone;
  }

  Context& context_;
  const InitOptions& options_;
  PatientLoop& loop_;
  net::HttpClient http_;
  aws::AwsClient client_;
  aws::DynamoDb dynamodb_;
};

int init_dynamodb(Context& context, const InitOptions& options) {
  if (const auto url = stores::check_store_url("dynamodb://" + options.table); !url) {
    context.err << "switchgear init dynamodb: " << url.error().text() << '\n';
    return kUsage;
  }
  if (!options.create) {
    context.out << cloud_formation(options);
    return kDone;
  }
  context.aws_profile = options.profile;
  PatientLoop loop;
  auto access = aws::open_access(
      loop.loop(),
      {.service = "dynamodb", .endpoint_url = options.endpoint_url, .region = options.region},
      context.aws_environment(), guard::random_identity().seed);
  if (!access) {
    context.err << "switchgear init dynamodb: " << access.error().text() << '\n';
    return kUsage;
  }
  access->credentials->listen(context.credentials_listener());
  return TableMaker(context, options, loop, *std::move(access)).run();
}

}  // namespace

void add_init(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(parent, "init", "set up what a store needs",
                                  {"switchgear init dynamodb > circuits-table.yaml",
                                   "switchgear init dynamodb --create --region eu-central-1"});
  command->require_subcommand(1);
  CLI::App* dynamodb = add_command(
      *command, "dynamodb", "the table of circuits and its rights, as CloudFormation",
      {"switchgear init dynamodb > circuits-table.yaml",
       "switchgear init dynamodb --table circuits",
       "switchgear init dynamodb --create --region eu-central-1   # makes the table at once"});
  const auto options = std::make_shared<InitOptions>();
  dynamodb
      ->add_option("--table", options->table, "Name of the table (default: switchgear-circuits)")
      ->type_name("NAME");
  dynamodb->add_flag("--create", options->create,
                     "Create the table instead of printing the template");
  dynamodb
      ->add_option("--endpoint-url", options->endpoint_url,
                   "Where DynamoDB is, for an emulator (default: the region's own)")
      ->type_name("URL");
  dynamodb->add_option("--region", options->region, "AWS region of the table")->type_name("REGION");
  add_profile_option(*dynamodb, options->profile);
  dynamodb->callback([options, &chosen] {
    chosen = [options](Context& context) { return init_dynamodb(context, *options); };
  });
}

}  // namespace switchgear::cli
