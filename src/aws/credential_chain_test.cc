// Each way to credentials against one server on loopback that answers as the documents of STS, of
// the container endpoints and of the instance metadata service say, or fails.
#include "aws/credential_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "aws/client.h"
#include "aws/process_credentials.h"
#include "net/clocks.h"
#include "net/scripted_server_for_tests.h"

namespace switchgear::aws {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSecret = "hunter2secret";
constexpr const char* kSession = "hunter2session";

std::string iso(WallTime time) {
  const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<Duration>(time.time_since_epoch()))};
  const std::chrono::hh_mm_ss clock(
      std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch() % 24h));
  char text[64];
  std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(day.year()),
      static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

class ChainTest : public testing::Test {
 protected:
  ChainTest() {
    folder_ = std::filesystem::temp_directory_path() / "switchgear-chain-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    variables_ = {{"AWS_CONFIG_FILE", folder_ + "/config"},
                  {"AWS_SHARED_CREDENTIALS_FILE", folder_ + "/credentials"},
                  {"AWS_REGION", "eu-central-1"},
                  {"AWS_MAX_ATTEMPTS", "1"},
                  {"AWS_ENDPOINT_URL_STS", server_.url()},
                  {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url()}};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& file, const std::string& text) {
    std::ofstream(folder_ + "/" + file) << text;
  }
  Environment environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto it = variables_.find(name);
      if (it == variables_.end()) return std::nullopt;
      return it->second;
    };
  }
  Result<std::shared_ptr<CredentialsProvider>> open() {
    const auto profile = load_profile(environment());
    if (!profile) return profile.error();
    return default_credentials(loop_, *profile, options_);
  }
  // What a caller gets, and that no secret is in it.
  Result<Credentials> get() {
    auto provider = open();
    std::optional<Result<CredentialsPtr>> got;
    if (provider) {
      (*provider)->get([&](Result<CredentialsPtr> result) { got = std::move(result); });
      EXPECT_TRUE(loop_.run_until([&] { return got.has_value(); }, 30s));
    } else {
      got = provider.error();
    }
    if (*got) return ***got;
    EXPECT_THAT(got->error().text(), Not(HasSubstr("hunter2")));
    return got->error();
  }
  std::string key() {
    const auto credentials = get();
    return credentials ? credentials->access_key_id : credentials.error().text();
  }

  static std::string endpoint_json(const std::string& key,
                                   WallTime end = net::read_clocks().wall + 6h) {
    return R"({"Code":"Success","AccessKeyId":")" + key + R"(","SecretAccessKey":")" + kSecret +
           R"(","Token":")" + kSession + R"(","Expiration":")" + iso(end) + "\"}";
  }
  static std::string sts_xml(const std::string& action, const std::string& key) {
    return "<" + action + "Response><" + action + "Result><Credentials><AccessKeyId>" + key +
           "</AccessKeyId><SecretAccessKey>" + kSecret + "</SecretAccessKey><SessionToken>" +
           kSession + "</SessionToken><Expiration>" + iso(net::read_clocks().wall + 1h) +
           "</Expiration></Credentials></" + action + "Result></" + action + "Response>";
  }
  // As the instance metadata service does: nothing without a token.
  void play_instance(const std::string& key) {
    server_.otherwise = [key](const HttpRequest& request) -> HttpResponse {
      if (request.method == "PUT" && request.target == "/latest/api/token") {
        if (!request.headers.has("x-aws-ec2-metadata-token-ttl-seconds")) return {.status = 400};
        return {.status = 200, .body = "TOKEN=="};
      }
      if (request.headers.get("x-aws-ec2-metadata-token") != "TOKEN==") return {.status = 401};
      constexpr std::string_view kRoles = "/latest/meta-data/iam/security-credentials/";
      if (request.target == kRoles) return {.status = 200, .body = "web-role"};
      if (request.target == std::string(kRoles) + "web-role") {
        return {.status = 200, .body = endpoint_json(key)};
      }
      return {.status = 404};
    };
  }
  void play_sts() {
    server_.otherwise = [](const HttpRequest& request) -> HttpResponse {
      const std::string action = request.body.starts_with("Action=AssumeRole&")
                                     ? "AssumeRole"
                                     : "AssumeRoleWithWebIdentity";
      return {.status = 200, .body = sts_xml(action, "ROLE")};
    };
  }

  net::Loop loop_;
  std::string folder_;
  std::map<std::string, std::string> variables_;
  ChainOptions options_;
  net::ScriptedServer server_{loop_,
                              [](const HttpRequest&) { return HttpResponse{.status = 404}; }};
};

// ---- Which

TEST_F(ChainTest, TakesTheVariablesFirst) {
  write("credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
  variables_["AWS_ACCESS_KEY_ID"] = "VARIABLE";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s";
  EXPECT_EQ(key(), "VARIABLE");
}

TEST_F(ChainTest, TakesAProfileThatWasAskedForBeforeTheVariables) {
  write("credentials", "[prod]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
  variables_["AWS_ACCESS_KEY_ID"] = "VARIABLE";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s";
  variables_[kProfileOption] = "prod";
  EXPECT_EQ(key(), "FILE");
}

TEST_F(ChainTest, RefusesHalfOfAKey) {
  variables_["AWS_ACCESS_KEY_ID"] = "A";
  EXPECT_THAT(key(), HasSubstr("AWS_SECRET_ACCESS_KEY not set"));
  variables_.erase("AWS_ACCESS_KEY_ID");
  write("credentials", "[default]\naws_secret_access_key = hunter2\n");
  EXPECT_THAT(key(), HasSubstr("has only one of aws_access_key_id and aws_secret_access_key"));
}

TEST_F(ChainTest, SaysWhereItLookedInVain) {
  EXPECT_THAT(key(), AllOf(HasSubstr("no AWS credentials"), HasSubstr("AWS_ACCESS_KEY_ID"),
                           HasSubstr("profile 'default' in"), HasSubstr("HTTP 404")));
  variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_THAT(key(),
              AllOf(HasSubstr("no AWS credentials"), HasSubstr("AWS_EC2_METADATA_DISABLED")));
}

// ---- Profiles

TEST_F(ChainTest, ReadsKeysOfAProfileAnewWhenTheyWereRefused) {
  write("credentials", "[default]\naws_access_key_id = OLD\naws_secret_access_key = s\n");
  const auto provider = open();
  ASSERT_TRUE(provider);
  CredentialsPtr got;
  const auto keep = [&](const Result<CredentialsPtr>& result) { got = result.value(); };
  (*provider)->get(keep);
  EXPECT_EQ(got->access_key_id, "OLD");
  write("credentials", "[default]\naws_access_key_id = NEW\naws_secret_access_key = s\n");
  EXPECT_TRUE((*provider)->refused(got));
  (*provider)->get(keep);
  EXPECT_EQ(got->access_key_id, "NEW");
}

TEST_F(ChainTest, TakesOnTheRoleOfAProfile) {
  play_sts();
  write("config",
        "[profile prod]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"
        "external_id = x/1\nrole_session_name = me\nduration_seconds = 900\n");
  write("credentials", "[base]\naws_access_key_id = BASE\naws_secret_access_key = hunter2\n");
  variables_["AWS_PROFILE"] = "prod";
  const auto got = get();
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->access_key_id, "ROLE");
  EXPECT_EQ(got->session_token, kSession);
  EXPECT_TRUE(got->expires);
  ASSERT_EQ(server_.requests.size(), 1u);
  EXPECT_EQ(server_.requests[0].body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=me&DurationSeconds=900&ExternalId=x%2F1");
  EXPECT_THAT(server_.header(0, "Authorization"),
              AllOf(HasSubstr("Credential=BASE/"), HasSubstr("/eu-central-1/sts/aws4_request")));
}

TEST_F(ChainTest, FollowsAChainOfRoles) {
  play_sts();
  write("config",
        "[profile c]\nrole_arn = arn:c\nsource_profile = b\n"
        "[profile b]\nrole_arn = arn:b\nsource_profile = a\n"
        "[profile a]\naws_access_key_id = BASE\naws_secret_access_key = hunter2\n");
  variables_["AWS_PROFILE"] = "c";
  EXPECT_EQ(key(), "ROLE");
  ASSERT_EQ(server_.requests.size(), 2u);
  EXPECT_THAT(server_.header(0, "Authorization"), HasSubstr("Credential=BASE/"));
  EXPECT_THAT(server_.requests[0].body, HasSubstr("arn%3Ab"));
  EXPECT_THAT(server_.header(1, "Authorization"), HasSubstr("Credential=ROLE/"));
  EXPECT_EQ(server_.header(1, "X-Amz-Security-Token"), kSession);
  EXPECT_THAT(server_.requests[1].body, HasSubstr("arn%3Ac"));
}

TEST_F(ChainTest, TakesOnARoleWithTheEnvironmentsCredentials) {
  play_sts();
  write("config", "[profile p]\nrole_arn = arn:r\ncredential_source = Environment\n");
  variables_["AWS_ACCESS_KEY_ID"] = "VARIABLE";
  variables_["AWS_SECRET_ACCESS_KEY"] = "hunter2";
  variables_[kProfileOption] = "p";
  EXPECT_EQ(key(), "ROLE");
  EXPECT_THAT(server_.header(0, "Authorization"), HasSubstr("Credential=VARIABLE/"));
}

TEST_F(ChainTest, SaysWhyARoleIsDenied) {
  server_.otherwise = [](const HttpRequest&) {
    return HttpResponse{
        .status = 403,
        .body =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/a "
            "is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"};
  };
  write("config",
        "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n"
        "aws_access_key_id = A\naws_secret_access_key = hunter2\n");
  EXPECT_THAT(key(), AllOf(HasSubstr("role of profile 'default' in "),
                           HasSubstr("cannot take on the role arn:aws:iam::1:role/r"),
                           HasSubstr("AccessDenied: User: arn:aws:iam::1:user/a"),
                           HasSubstr("trust policy")));
}

TEST_F(ChainTest, RefusesProfilesThatCannotWork) {
  const std::map<std::string, std::string> cases{
      {"role_arn = r\n", "neither source_profile nor credential_source"},
      {"role_arn = r\nsource_profile = q\ncredential_source = Environment\n", "both"},
      {"role_arn = r\nsource_profile = q\n", "which does not exist"},
      {"role_arn = r\nsource_profile = p\n", "circle of source_profile: p -> p"},
      {"role_arn = r\nsource_profile = q\n[profile q]\nrole_arn = r\nsource_profile = p\n",
       "circle of source_profile: p -> q -> p"},
      {"role_arn = r\nsource_profile = q\n[profile q]\nregion = x\n", "which has no credentials"},
      {"role_arn = r\ncredential_source = Elsewhere\n", "none of Environment"},
      {"role_arn = r\ncredential_source = EcsContainer\n", "there is none here"},
      {"role_arn = r\nsource_profile = p\nmfa_serial = m\n", "MFA device"},
      {"role_arn = r\nsource_profile = p\naws_access_key_id = A\naws_secret_access_key = s\n"
       "duration_seconds = 60\n",
       "duration_seconds that is no number from 900 to 43200"},
      {"web_identity_token_file = f\n", "no role_arn"},
      {"sso_session = s\n",
       "aws sso login --profile p` and add to the profile: credential_process "
       "= aws configure export-credentials --profile p --format process"},
      {"login_session = s\n", "aws login --profile p"},
      {"credential_process = a 'b\n", "a quote without its end"},
  };
  variables_["AWS_PROFILE"] = "p";
  for (const auto& [text, expected] : cases) {
    write("config", "[profile p]\n" + text);
    EXPECT_THAT(key(), HasSubstr(expected)) << text;
  }
  EXPECT_TRUE(server_.requests.empty());
}

// ---- Programs

TEST_F(ChainTest, RunsACredentialProcessWithoutAShell) {
  write("answer", R"({"Version":1,"AccessKeyId":"$HOME","SecretAccessKey":"s"})");
  write("config", "[default]\ncredential_process = \"cat\" '" + folder_ + "/answer'\n");
  EXPECT_EQ(key(), "$HOME");
  EXPECT_EQ(split_words(R"(a "b \"c\" \d" 'e\' f\ g "")"),
            (std::vector<std::string>{"a", "b \"c\" \\d", "e\\", "f g", ""}));
  EXPECT_FALSE(split_words("a \"b"));
  EXPECT_FALSE(split_words("a\\"));
}

TEST_F(ChainTest, SaysWhichProgramIsWaitedForAndForWhat) {
  write("config",
        "[default]\nrole_arn = arn:r\nsource_profile = base\n"
        "[profile base]\ncredential_process = cat '" +
            folder_ + "/never'\n");
  // Nobody ever writes into it.
  ASSERT_EQ(::mkfifo((folder_ + "/never").c_str(), 0600), 0);
  options_.cache.tell_after = 1ms;
  const auto provider = open();
  ASSERT_TRUE(provider);
  std::string news;
  (*provider)->listen([&](const CredentialsNews& heard) { news = heard.text(); });
  (*provider)->get([](const Result<CredentialsPtr>&) {});
  ASSERT_TRUE(loop_.run_until([&] { return !news.empty(); }, 30s));
  EXPECT_EQ(news, "still waiting for AWS credentials: credential_process of profile 'base' in " +
                      folder_ + "/config, for the role of profile 'default' in " + folder_ +
                      "/config and " + folder_ + "/credentials");
}

TEST_F(ChainTest, ShowsNothingOfWhatAProgramPrints) {
  write("config",
        "[default]\ncredential_process = sh -c 'echo hunter2; echo hunter2 >&2; exit 3'\n");
  EXPECT_THAT(key(), AllOf(HasSubstr("credential_process of profile 'default'"),
                           HasSubstr("'sh' ended with 3"), HasSubstr("run the command by hand")));
  write("config", "[default]\ncredential_process = echo hunter2\n");
  EXPECT_THAT(key(), HasSubstr("the answer is not JSON"));
  write("config", "[default]\ncredential_process = no-such-program-here --token hunter2\n");
  EXPECT_THAT(key(), HasSubstr("cannot be started"));
}

// ---- Web identity

TEST_F(ChainTest, TakesOnARoleByWebIdentityUnsigned) {
  play_sts();
  write("token", "eyJ.hunter2");
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_ + "/token";
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/eks";
  variables_["AWS_ROLE_SESSION_NAME"] = "pod";
  EXPECT_EQ(key(), "ROLE");
  EXPECT_EQ(server_.requests.at(0).body,
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
            "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Feks&RoleSessionName=pod&"
            "WebIdentityToken=eyJ.hunter2");
  EXPECT_EQ(server_.header(0, "Authorization"), "");
}

TEST_F(ChainTest, SaysWhyAWebIdentityDoesNotHelp) {
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_ + "/token";
  EXPECT_THAT(key(), HasSubstr("AWS_ROLE_ARN, the role to take on with it, is not"));
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/eks";
  EXPECT_THAT(key(), AllOf(HasSubstr("cannot read"), HasSubstr("No such file")));
  write("token", "hunter2");
  server_.otherwise = [](const HttpRequest&) {
    return HttpResponse{.status = 400,
                        .body =
                            "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>No "
                            "OpenIDConnect provider found</Message></Error></ErrorResponse>"};
  };
  EXPECT_THAT(key(), HasSubstr("InvalidIdentityToken: No OpenIDConnect provider found"));
}

// ---- Containers

TEST_F(ChainTest, AsksTheContainerEndpointWithItsToken) {
  server_.otherwise = [](const HttpRequest& request) -> HttpResponse {
    if (request.headers.get("Authorization") != "hunter2token") return {.status = 401};
    return {.status = 200, .body = endpoint_json("POD")};
  };
  write("token", "hunter2token");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.url() + "/v1/credentials?a=b";
  EXPECT_THAT(key(), HasSubstr("answered HTTP 401"));
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "wrong";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_ + "/token";
  EXPECT_EQ(key(), "POD");
  EXPECT_EQ(server_.requests.back().target, "/v1/credentials?a=b");
}

TEST_F(ChainTest, AsksOnlyHostsThatMayKnowTheContainersRole) {
  for (const char* uri : {"http://example.com/c", "http://127.0.0.1.example.com/c",
                          "http://10.0.0.1/c", "ftp://127.0.0.1/c", "http://hunter2@127.0.0.1/c"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri;
    EXPECT_THAT(key(), HasSubstr("AWS_CONTAINER_CREDENTIALS_FULL_URI")) << uri;
  }
  for (const char* uri : {"https://example.com/c", "http://localhost/c", "http://169.254.170.2/c",
                          "http://169.254.170.23/c", "http://[fd00:ec2::23]/c", "http://[::1]/c"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri;
    EXPECT_TRUE(open()) << uri;
  }
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@example.com/c";
  EXPECT_THAT(key(), HasSubstr("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"));
}

TEST_F(ChainTest, RefusesATokenThatWouldChangeTheRequest) {
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.url() + "/c";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "hunter2\r\nX-Other: 1";
  EXPECT_THAT(key(),
              HasSubstr("AWS_CONTAINER_AUTHORIZATION_TOKEN gives a token with a line break"));
  EXPECT_TRUE(server_.requests.empty());
}

// ---- EC2

TEST_F(ChainTest, AsksTheInstanceByVersionTwo) {
  play_instance("INSTANCE");
  EXPECT_EQ(key(), "INSTANCE");
  ASSERT_EQ(server_.requests.size(), 3u);
  EXPECT_EQ(server_.header(0, "x-aws-ec2-metadata-token-ttl-seconds"), "21600");
}

TEST_F(ChainTest, AsksTheInstanceAgainAfterTrouble) {
  play_instance("INSTANCE");
  int troubles = 2;
  server_.otherwise = [&, play = server_.otherwise](const HttpRequest& request) {
    return troubles-- > 0 ? HttpResponse{.status = 500} : play(request);
  };
  EXPECT_EQ(key(), "INSTANCE");
}

TEST_F(ChainTest, GivesUpOnAnInstanceThatHangs) {
  server_.otherwise = [](const HttpRequest&) { return HttpResponse{.status = 0}; };
  variables_["AWS_METADATA_SERVICE_NUM_ATTEMPTS"] = "1";
  EXPECT_THAT(
      key(), AllOf(HasSubstr("does not answer: no answer within 1000 ms"), HasSubstr("hop limit")));
}

TEST_F(ChainTest, TellsAnInstanceWithoutARole) {
  server_.otherwise = [](const HttpRequest& request) -> HttpResponse {
    if (request.method == "PUT") return {.status = 200, .body = "T"};
    return {.status = 404};
  };
  EXPECT_THAT(key(), HasSubstr("give the instance an instance profile"));
}

TEST_F(ChainTest, TellsAMalformedAnswer) {
  server_.otherwise = [](const HttpRequest&) {
    return HttpResponse{.status = 200, .body = "{\"hunter2"};
  };
  EXPECT_THAT(key(), HasSubstr("the answer is not JSON"));
}

// ---- In use

// A day of calls, one a minute, of which none fails and none waits, while a service refuses what
// has expired.
TEST_F(ChainTest, RenewsInTheMiddleOfABurstWithoutAPause) {
  WallTime now{std::chrono::hours(24 * 365 * 50)};
  options_.cache.wall_clock = [&] { return now; };
  std::map<std::string, WallTime> ends;
  int refused = 0;
  server_.otherwise = [&](const HttpRequest& request) -> HttpResponse {
    if (request.target == "/credentials") {
      const std::string key = "KEY" + std::to_string(ends.size());
      ends[key] = now + 6h;
      return {.status = 200, .body = endpoint_json(key, now + 6h)};
    }
    const std::string header(request.headers.get("Authorization").value_or(""));
    const auto from = header.find("Credential=") + 11;
    if (now < ends[header.substr(from, header.find('/', from) - from)]) {
      return {.status = 200, .body = "{}"};
    }
    ++refused;
    return {.status = 400, .body = R"({"__type":"ExpiredTokenException"})"};
  };
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.url() + "/credentials";
  const auto provider = open();
  ASSERT_TRUE(provider);
  net::HttpClient http(loop_);
  AwsClient client(
      loop_, http,
      Endpoint{
          .url = net::parse_url(server_.url()).value(), .region = "us-east-1", .service = "sqs"},
      *provider, core::Random(1));
  int failed = 0;
  int waited = 0;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    bool at_hand = false;
    (*provider)->get([&](const Result<CredentialsPtr>& got) { at_hand = got.has_value(); });
    if (!at_hand && minute > 0) ++waited;
    bool answered = false;
    client.call({.target = "T"}, [&](const Result<Answer>& answer) {
      answered = true;
      if (!answer) ++failed;
    });
    ASSERT_TRUE(loop_.run_until([&] { return answered; }, 10s));
    now += 1min;
  }
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(waited, 0);
  EXPECT_EQ(refused, 0);
  EXPECT_GE(ends.size(), 4u);
  EXPECT_LE(ends.size(), 6u);
}

}  // namespace
}  // namespace switchgear::aws
