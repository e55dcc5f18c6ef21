#include <memory>
#include <optional>
#include <ostream>

#include "aws/credentials.h"
#include "aws/dynamodb.h"
#include "aws/endpoint.h"
#include "cli/app.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "stores/dynamodb_item.h"
#include "stores/open.h"

namespace switchgear::cli {
namespace {

struct InitOptions {
  std::string table = "switchgear-circuits";
  std::string endpoint_url;
  std::string region;
  bool create = false;
};

// A table takes some seconds; one that takes longer than this has other trouble.
constexpr Duration kPatience = 2min;
constexpr Duration kLook = 1s;

std::string cloud_formation(const InitOptions& options) {
  const std::string key = stores::kItemKey;
  const std::string keys =
      "                dynamodb:LeadingKeys: [\"" + stores::StoreOptions{}.name_space + "/*\"]\n";
  return "AWSTemplateFormatVersion: \"2010-09-09\"\n"
         "Description: Circuits that a fleet shares\n"
         "Resources:\n"
         "  Circuits:\n"
         "    Type: AWS::DynamoDB::Table\n"
         "    Properties:\n"
         "      TableName: " +
         options.table +
         "\n"
         "      BillingMode: PAY_PER_REQUEST\n"
         "      AttributeDefinitions:\n"
         "        - AttributeName: " +
         key +
         "\n"
         "          AttributeType: S\n"
         "      KeySchema:\n"
         "        - AttributeName: " +
         key +
         "\n"
         "          KeyType: HASH\n"
         "      TimeToLiveSpecification:\n"
         "        AttributeName: " +
         std::string(stores::kItemTtl) +
         "\n"
         "        Enabled: true\n"
         "  # For every process that shares circuits.\n"
         "  UseCircuits:\n"
         "    Type: AWS::IAM::ManagedPolicy\n"
         "    Properties:\n"
         "      PolicyDocument:\n"
         "        Version: \"2012-10-17\"\n"
         "        Statement:\n"
         "          - Effect: Allow\n"
         "            Action: [dynamodb:GetItem, dynamodb:UpdateItem]\n"
         "            Resource: !GetAtt Circuits.Arn\n"
         "            Condition:\n"
         "              ForAllValues:StringLike:\n" +
         keys +
         "  # For people besides: circuits list, and circuits reset --forget.\n"
         "  OperateCircuits:\n"
         "    Type: AWS::IAM::ManagedPolicy\n"
         "    Properties:\n"
         "      PolicyDocument:\n"
         "        Version: \"2012-10-17\"\n"
         "        Statement:\n"
         "          - Effect: Allow\n"
         "            Action: dynamodb:Scan\n"
         "            Resource: !GetAtt Circuits.Arn\n"
         "          - Effect: Allow\n"
         "            Action: dynamodb:DeleteItem\n"
         "            Resource: !GetAtt Circuits.Arn\n"
         "            Condition:\n"
         "              ForAllValues:StringLike:\n" +
         keys;
}

// Makes the table, one call after the other.
class TableMaker {
 public:
  TableMaker(Context& context, const InitOptions& options, const aws::Endpoint& endpoint,
             const aws::Credentials& credentials)
      : context_(context),
        options_(options),
        http_(loop_),
        client_(loop_, http_, endpoint, credentials, core::Random(1)),
        dynamodb_(client_, {.attempt_timeout = 10s}) {
    loop_.on_stop_signal([this](int) {
      interrupted_ = true;
      loop_.stop();
    });
  }

  int run() {
    const auto made = wait<void>([&](const auto& done) {
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
  template <class T>
  Result<T> wait(const std::function<void(std::function<void(Result<T>)>)>& start) {
    const auto answer = std::make_shared<std::optional<Result<T>>>();
    start([answer](Result<T> result) { *answer = std::move(result); });
    loop_.run_until([&] { return answer->has_value() || interrupted_; }, kPatience);
    if (*answer) return std::move(**answer);
    return Error{.code = interrupted_ ? "interrupted" : "timeout",
                 .message = interrupted_ ? "" : "DynamoDB did not answer",
                 .retryable = false,
                 .source = "dynamodb"};
  }

  int refuse(const Error& error) {
    if (error.code == "interrupted") return kInterrupted;
    context_.err << "switchgear init dynamodb: " << error.text() << '\n';
    return kFailed;
  }

  int wait_until_active() {
    for (Duration waited{0}; waited < kPatience; waited += kLook) {
      const auto table = wait<aws::TableDescription>(
          [&](const auto& done) { dynamodb_.describe_table(options_.table, done); });
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
      bool over = false;
      const net::Timer look = loop_.call_after(kLook, [&] { over = true; });
      loop_.run_until([&] { return over || interrupted_; }, kPatience);
      if (interrupted_) return kInterrupted;
    }
    context_.err << "switchgear init dynamodb: table " << options_.table
                 << " is not active after two minutes; look at it in the console\n";
    return kFailed;
  }

  int expire() {
    const auto now = wait<aws::TimeToLive>(
        [&](const auto& done) { dynamodb_.describe_time_to_live(options_.table, done); });
    if (!now) return refuse(now.error());
    if (now->status != "ENABLED" && now->status != "ENABLING") {
      const auto set = wait<void>([&](const auto& done) {
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
  net::Loop loop_;
  bool interrupted_ = false;
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
  const aws::Environment environment = [&](const std::string& name) -> std::optional<std::string> {
    std::string value = context.variable(name);
    if (value.empty()) return std::nullopt;
    return value;
  };
  const auto credentials = aws::credentials_from_environment(environment);
  const auto endpoint = aws::resolve_endpoint(
      {.service = "dynamodb", .endpoint_url = options.endpoint_url, .region = options.region},
      environment);
  for (const Error* error :
       {credentials ? nullptr : &credentials.error(), endpoint ? nullptr : &endpoint.error()}) {
    if (!error) continue;
    context.err << "switchgear init dynamodb: " << error->text() << '\n';
    return kUsage;
  }
  return TableMaker(context, options, *endpoint, *credentials).run();
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
                     "Create the table, with the credentials of the environment, instead of "
                     "printing the template");
  dynamodb
      ->add_option("--endpoint-url", options->endpoint_url,
                   "Where DynamoDB is, for an emulator (default: the region's own)")
      ->type_name("URL");
  dynamodb->add_option("--region", options->region, "AWS region of the table")->type_name("REGION");
  dynamodb->callback([options, &chosen] {
    chosen = [options](Context& context) { return init_dynamodb(context, *options); };
  });
}

}  // namespace switchgear::cli
