#include "aws/credential_chain.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "aws/endpoint.h"
#include "aws/metadata_credentials.h"
#include "aws/process_credentials.h"
#include "aws/role_credentials.h"
#include "aws/transport.h"
#include "net/clocks.h"
#include "net/http_client.h"

namespace switchgear::aws {
namespace {

using Source = std::unique_ptr<CredentialsSource>;

std::string value_in(const Section& section, const std::string& key) {
  const auto it = section.find(key);
  return it == section.end() ? "" : it->second;
}

bool has_keys(const Section& section) {
  return section.contains("aws_access_key_id") || section.contains("aws_secret_access_key");
}

Result<Credentials> keys_of(const Section& section) {
  Credentials credentials{.access_key_id = value_in(section, "aws_access_key_id"),
                          .secret_access_key = value_in(section, "aws_secret_access_key"),
                          .session_token = value_in(section, "aws_session_token")};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return credentials_error(
        "has only one of aws_access_key_id and aws_secret_access_key; write both, into one file");
  }
  for (const std::string* text :
       {&credentials.access_key_id, &credentials.secret_access_key, &credentials.session_token}) {
    if (!is_credential_text(*text)) {
      return credentials_error(
          "has a key with a space or other character that no AWS credential has; copy it again");
    }
  }
  return credentials;
}

class EnvironmentCredentials final : public CredentialsSource {
 public:
  explicit EnvironmentCredentials(Environment environment) : environment_(std::move(environment)) {}
  std::string name() const override { return "the environment"; }
  void fetch(Callback callback) override { callback(credentials_from_environment(environment_)); }

 private:
  const Environment environment_;
};

// Reads the files at each fetch: tools that hand out temporary keys rewrite them.
class ProfileKeys final : public CredentialsSource {
 public:
  ProfileKeys(Environment environment, SharedFile file, std::string profile, std::string name)
      : environment_(std::move(environment)),
        file_(file),
        profile_(std::move(profile)),
        name_(std::move(name)) {}
  std::string name() const override { return name_; }
  void fetch(Callback callback) override {
    const auto config = load_shared_config(environment_);
    if (!config) return callback(credentials_error(config.error().message));
    const Section& section = config->in(file_, profile_);
    if (section.empty()) return callback(credentials_error("is not there any more"));
    callback(keys_of(section));
  }

 private:
  const Environment environment_;
  const SharedFile file_;
  const std::string profile_;
  const std::string name_;
};

// The last of the chain, whose trouble mostly means that nobody gave any credentials at all.
class LastResort final : public CredentialsSource {
 public:
  LastResort(std::unique_ptr<CredentialsSource> source, std::string looked_at)
      : source_(std::move(source)), looked_at_(std::move(looked_at)) {}
  std::string name() const override { return source_->name(); }
  std::string awaited() const override { return source_->awaited(); }
  void fetch(Callback callback) override {
    source_->fetch([this, callback = std::move(callback)](Result<Credentials> result) {
      if (result) return callback(*std::move(result));
      Error error = std::move(result).error();
      error.message = looked_at_ + "; and of the instance: " + error.message;
      callback(std::move(error));
    });
  }

 private:
  const std::unique_ptr<CredentialsSource> source_;
  const std::string looked_at_;
};

// The chain's outcome, with the clients that it uses.
class ChainCredentials final : public CredentialsProvider {
 public:
  ChainCredentials(net::Loop& loop, net::HttpClientOptions services,
                   net::HttpClientOptions metadata)
      : services_(loop, std::move(services)), metadata_(loop, std::move(metadata)) {}

  void get(Callback callback) override { cache_->get(std::move(callback)); }
  std::string name() const override { return cache_->name(); }
  bool refused(const CredentialsPtr& credentials) override { return cache_->refused(credentials); }
  void listen(const CredentialsListener& listener) override { cache_->listen(listener); }

  net::HttpClient& services() { return services_; }
  net::HttpClient& metadata() { return metadata_; }
  void use(std::unique_ptr<CachedCredentials> cache) { cache_ = std::move(cache); }

 private:
  net::HttpClient services_;
  net::HttpClient metadata_;
  std::unique_ptr<CachedCredentials> cache_;  // last: it uses the clients
};

// Finds the source.
class Chain {
 public:
  Chain(net::Loop& loop, const Profile& profile, const ChainOptions& options,
        ChainCredentials& clients)
      : loop_(loop),
        profile_(profile),
        environment_(profile.environment),
        options_(options),
        clients_(clients),
        random_(options.seed) {}

  Result<Source> find() {
    const bool variables = !profile_.by_option();
    if (variables && (is_set("AWS_ACCESS_KEY_ID") || is_set("AWS_SECRET_ACCESS_KEY"))) {
      return from_environment();
    }
    if (is_role(profile_.section())) return from_profile(profile_.name);
    if (variables && is_set("AWS_WEB_IDENTITY_TOKEN_FILE")) return web_identity_of_environment();
    auto source = from_profile(profile_.name);
    if (!source || *source) return source;
    source = container_credentials(loop_, clients_.metadata(), environment_);
    if (!source || *source) return source;
    source = instance_credentials(loop_, clients_.metadata(), environment_);
    if (!source) return source;
    const std::string looked_at =
        "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set" +
        std::string(variables ? "" : " (nor would they count beside --profile)") + ", none in " +
        place(profile_.name) +
        ", no web identity and no container endpoint; set the two (and AWS_SESSION_TOKEN for "
        "temporary credentials), or name a profile that has some with AWS_PROFILE";
    if (!*source) {
      return credentials_error(looked_at +
                               "; the instance is not asked, by AWS_EC2_METADATA_DISABLED");
    }
    return Source(std::make_unique<LastResort>(*std::move(source), looked_at));
  }

 private:
  bool is_set(const std::string& variable) const {
    return !value_of(environment_, variable).empty();
  }

  std::string place(const std::string& profile) const {
    return "profile '" + profile + "' in " + profile_.config.places;
  }

  std::string place(const std::string& profile, SharedFile file) const {
    return "profile '" + profile + "' in " + profile_.config.paths.at(file);
  }

  Error in_profile(const std::string& profile, const std::string& what) const {
    return credentials_error(place(profile) + " " + what);
  }

  static bool is_role(const Section& section) {
    return section.contains("role_arn") && !section.contains("web_identity_token_file");
  }

  // Checked here already, so that a slip is found at the start.
  Result<Source> from_environment() const {
    if (auto now = credentials_from_environment(environment_); !now) return now.error();
    return Source(std::make_unique<EnvironmentCredentials>(environment_));
  }

  // nullptr: the profile says nothing of credentials, or is not there.
  Result<Source> from_profile(const std::string& name) {
    const auto found = profile_.config.profiles.find(name);
    if (found == profile_.config.profiles.end()) return Source();
    const Section& section = found->second;
    if (is_role(section)) return role_of_profile(name, section);
    return rest_of_profile(name, section);
  }

  // Without its role. Keys of the credentials file come before a program, and those of the config
  // file after it.
  Result<Source> rest_of_profile(const std::string& name, const Section& section) {
    if (const std::string file = value_in(section, "web_identity_token_file"); !file.empty()) {
      if (!section.contains("role_arn")) {
        return in_profile(name, "has a web_identity_token_file but no role_arn");
      }
      const auto role = role_of(name, section);
      if (!role) return role.error();
      return web_identity(*role, file, place(name));
    }
    if (has_keys(profile_.config.in(SharedFile::credentials, name))) {
      return keys_of_profile(name, SharedFile::credentials);
    }
    if (const std::string command = value_in(section, "credential_process"); !command.empty()) {
      const bool in_credentials =
          profile_.config.in(SharedFile::credentials, name).contains("credential_process");
      const auto file = in_credentials ? SharedFile::credentials : SharedFile::config;
      return process_credentials(loop_, command, "credential_process of " + place(name, file));
    }
    if (has_keys(profile_.config.in(SharedFile::config, name))) {
      return keys_of_profile(name, SharedFile::config);
    }
    for (const auto& [key, value] : section) {
      if (key.starts_with("sso_") || key == "login_session") return signs_in(name, key);
    }
    return Source();
  }

  Error signs_in(const std::string& name, const std::string& key) const {
    const bool sso = key.starts_with("sso_");
    return in_profile(name, std::string("signs in through a browser (") + key +
                                "), which switchgear does not do; sign in with `aws " +
                                (sso ? "sso " : "") + "login --profile " + name +
                                "` and add to the profile: credential_process = aws configure "
                                "export-credentials --profile " +
                                name + " --format process");
  }

  Result<Source> keys_of_profile(const std::string& name, SharedFile file) const {
    if (auto now = keys_of(profile_.config.in(file, name)); !now) {
      return in_profile(name, now.error().message);
    }
    return Source(std::make_unique<ProfileKeys>(environment_, file, name, place(name, file)));
  }

  Result<Source> role_of_profile(const std::string& name, const Section& section) {
    visited_.push_back(name);
    if (section.contains("mfa_serial")) {
      return in_profile(
          name,
          "wants a code of an MFA device, which nobody can type here; use a role without "
          "mfa_serial, or get temporary credentials: aws configure export-credentials --profile " +
              name + " --format env");
    }
    const auto role = role_of(name, section);
    if (!role) return role.error();
    auto base = base_of(name, section);
    if (!base) return base;
    const auto sts = sts_access();
    if (!sts) return sts.error();
    return assumed_role(*sts, *role, *std::move(base), "role of " + place(name), next_random());
  }

  Result<Source> base_of(const std::string& name, const Section& section) {
    const std::string source = value_in(section, "source_profile");
    const std::string other = value_in(section, "credential_source");
    if (source.empty() == other.empty()) {
      return in_profile(name, std::string("has role_arn with ") +
                                  (source.empty() ? "neither" : "both") + " source_profile " +
                                  (source.empty() ? "nor" : "and") +
                                  " credential_source; write exactly one of the two");
    }
    if (!other.empty()) return named_source(name, other);
    const auto found = profile_.config.profiles.find(source);
    if (found == profile_.config.profiles.end()) {
      return in_profile(name, "has source_profile = " + source + ", which does not exist");
    }
    // A profile with keys may be its own source, and as the source of another its keys come before
    // its role.
    const bool keys = has_keys(found->second);
    if (std::ranges::find(visited_, source) != visited_.end() && !(source == name && keys)) {
      std::string way;
      for (const std::string& step : visited_) way += step + " -> ";
      return in_profile(name, "is part of a circle of source_profile: " + way + source);
    }
    auto base = keys ? rest_of_profile(source, found->second) : from_profile(source);
    if (base && !*base) {
      return in_profile(name, "has source_profile = " + source + ", which has no credentials");
    }
    return base;
  }

  Result<Source> named_source(const std::string& name, const std::string& which) {
    Result<Source> source = Source();
    if (which == "Environment") {
      return from_environment();
    } else if (which == "EcsContainer") {
      source = container_credentials(loop_, clients_.metadata(), environment_);
    } else if (which == "Ec2InstanceMetadata") {
      source = instance_credentials(loop_, clients_.metadata(), environment_);
    } else {
      return in_profile(name,
                        "has a credential_source that is none of Environment, "
                        "Ec2InstanceMetadata and EcsContainer");
    }
    if (source && !*source) {
      return in_profile(name, "has credential_source = " + which +
                                  ", but the environment says that there is none here");
    }
    return source;
  }

  Result<Role> role_of(const std::string& name, const Section& section) const {
    Role role{.arn = value_in(section, "role_arn"),
              .session_name = session_name(value_in(section, "role_session_name")),
              .external_id = value_in(section, "external_id")};
    const std::string duration = value_in(section, "duration_seconds");
    if (duration.empty()) return role;
    int seconds = 0;
    const auto [end, bad] =
        std::from_chars(duration.data(), duration.data() + duration.size(), seconds);
    if (bad != std::errc() || end != duration.data() + duration.size() || seconds < 900 ||
        seconds > 43200) {
      return in_profile(name, "has a duration_seconds that is no number from 900 to 43200");
    }
    role.duration_seconds = seconds;
    return role;
  }

  Result<Source> web_identity_of_environment() {
    const std::string arn = value_of(environment_, "AWS_ROLE_ARN");
    if (arn.empty()) {
      return credentials_error(
          "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN, the role to take on with it, is "
          "not");
    }
    return web_identity(
        {.arn = arn, .session_name = session_name(value_of(environment_, "AWS_ROLE_SESSION_NAME"))},
        value_of(environment_, "AWS_WEB_IDENTITY_TOKEN_FILE"), "AWS_WEB_IDENTITY_TOKEN_FILE");
  }

  Result<Source> web_identity(const Role& role, const std::string& file, const std::string& name) {
    const auto sts = sts_access();
    if (!sts) return sts.error();
    return web_identity_role(*sts, role, expand_home(file, environment_),
                             "role with the web identity of " + name, next_random());
  }

  static std::string session_name(const std::string& given) {
    if (!given.empty()) return given;
    const auto now =
        std::chrono::floor<std::chrono::seconds>(net::read_clocks().wall.time_since_epoch());
    return "switchgear-" + std::to_string(now.count());
  }

  Result<StsAccess> sts_access() {
    auto endpoint =
        resolve_endpoint({.service = "sts", .default_region = options_.region}, environment_);
    if (!endpoint) return endpoint.error();
    auto client = client_options(environment_, "sts");
    if (!client) return client.error();
    return StsAccess{.loop = loop_,
                     .http = clients_.services(),
                     .endpoint = *std::move(endpoint),
                     .options = *std::move(client)};
  }

  core::Random next_random() { return core::Random(random_.next()); }

  net::Loop& loop_;
  const Profile& profile_;
  const Environment& environment_;
  const ChainOptions& options_;
  ChainCredentials& clients_;
  core::Random random_;
  std::vector<std::string> visited_;
};

}  // namespace

Result<std::shared_ptr<CredentialsProvider>> default_credentials(net::Loop& loop,
                                                                 const Profile& profile,
                                                                 const ChainOptions& options) {
  auto services = http_options(profile.environment);
  if (!services) return services.error();
  // Link-local: nothing in between, and no name to look up.
  const net::HttpClientOptions metadata{.connect_timeout = 1s};
  const auto chain = std::make_shared<ChainCredentials>(loop, *std::move(services), metadata);
  auto source = Chain(loop, profile, options, *chain).find();
  if (!source) return source.error();
  chain->use(std::make_unique<CachedCredentials>(loop, *std::move(source),
                                                 core::Random(options.seed), options.cache));
  return std::shared_ptr<CredentialsProvider>(chain);
}

}  // namespace switchgear::aws
