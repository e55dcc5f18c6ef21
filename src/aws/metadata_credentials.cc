#include "aws/metadata_credentials.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "aws/credentials_answer.h"
#include "aws/shared_config.h"
#include "net/url.h"

namespace switchgear::aws {
namespace {

constexpr std::size_t kTokenBytesMax = 64 << 10;
constexpr const char* kRelative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
constexpr const char* kFull = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
constexpr const char* kTokenFile = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
constexpr const char* kToken = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
// ECS, EKS Pod Identity over IPv4 and IPv6.
constexpr std::array<std::string_view, 3> kContainerHosts{"169.254.170.2", "169.254.170.23",
                                                          "fd00:ec2::23"};

struct Patience {
  Duration timeout;  // of each attempt
  int attempts;
  Duration pause;
};

// One thing asked until it is answered: with 200, or with a status that will not change.
class Question : public std::enable_shared_from_this<Question> {
 public:
  using Callback = std::function<void(Result<std::string>)>;

  Question(net::Loop& loop, net::HttpClient& http, net::Url endpoint, Patience patience)
      : loop_(loop), http_(http), endpoint_(std::move(endpoint)), patience_(patience) {}
  ~Question() { handle_.cancel(); }

  // The body of the answer. The status of a refusal is in its message.
  void ask(net::HttpRequest request, Callback callback) {
    request_ = std::move(request);
    callback_ = std::move(callback);
    attempt_ = 0;
    attempt();
  }

 private:
  void attempt() {
    ++attempt_;
    handle_ = http_.send(endpoint_, request_, {.timeout = patience_.timeout, .idempotent = true},
                         [weak = weak_from_this()](Result<net::HttpResponse> response) {
                           if (const auto self = weak.lock()) self->answered(std::move(response));
                         });
  }

  void answered(Result<net::HttpResponse> response) {
    if (response && response->status == 200) return end(std::move(response->body));
    const bool again =
        response ? response->status >= 500 || response->status == 429 : response.error().retryable;
    if (again && attempt_ < patience_.attempts) {
      pause_ = loop_.call_after(patience_.pause, [this] { attempt(); });
      return;
    }
    if (response) {
      end(credentials_error(
          endpoint_.host_port() + " answered HTTP " + std::to_string(response->status), again));
    } else {
      end(credentials_error(endpoint_.host_port() + " does not answer: " + response.error().message,
                            true));
    }
  }

  void end(Result<std::string> result) {
    // The callback may ask the next thing, or let go of this.
    const Callback callback = std::exchange(callback_, nullptr);
    callback(std::move(result));
  }

  net::Loop& loop_;
  net::HttpClient& http_;
  const net::Url endpoint_;
  const Patience patience_;
  net::HttpRequest request_;
  Callback callback_;
  int attempt_ = 0;
  net::CallHandle handle_;
  net::Timer pause_;
};

class ContainerCredentials final : public CredentialsSource {
 public:
  ContainerCredentials(net::Loop& loop, net::HttpClient& http, net::Url url,
                       Environment environment)
      : loop_(loop), http_(http), url_(std::move(url)), environment_(std::move(environment)) {}

  std::string name() const override { return "the container's role, from " + url_.host_port(); }

  void fetch(Callback callback) override {
    net::HttpRequest request{.target = url_.target()};
    request.headers.set("Accept", "application/json");
    const auto token = authorization();
    if (!token) return callback(token.error());
    if (!token->empty()) request.headers.set("Authorization", *token);
    question_ = std::make_shared<Question>(loop_, http_, url_, Patience{2s, 3, 1s});
    question_->ask(std::move(request), [callback = std::move(callback)](Result<std::string> body) {
      if (!body) return callback(std::move(body).error());
      callback(read_endpoint_credentials(*body));
    });
  }

 private:
  // Empty: none is wanted.
  Result<std::string> authorization() const {
    std::string name = kTokenFile;
    std::string token;
    if (const std::string file = value_of(environment_, kTokenFile); !file.empty()) {
      auto text = read_small_file(file, kTokenBytesMax, "credentials");
      if (!text) {
        Error error = text.error();
        error.message += " (named by AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)";
        error.retryable = true;  // it may just be replaced
        return error;
      }
      token = *std::move(text);
    } else {
      name = kToken;
      token = value_of(environment_, kToken);
    }
    if (!net::is_header_value(token)) {
      return credentials_error(name +
                               " gives a token with a line break or another character that "
                               "no header can hold");
    }
    return token;
  }

  net::Loop& loop_;
  net::HttpClient& http_;
  const net::Url url_;
  const Environment environment_;
  std::shared_ptr<Question> question_;
};

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host == "0:0:0:0:0:0:0:1" ||
         (host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
          host.find_first_not_of("0123456789.") == std::string::npos);
}

// ---- EC2

class InstanceCredentials final : public CredentialsSource {
 public:
  InstanceCredentials(net::Loop& loop, net::HttpClient& http, net::Url url, Patience patience)
      : loop_(loop), http_(http), url_(std::move(url)), patience_(patience) {}

  std::string name() const override {
    return "the instance's role, from the metadata service at " + url_.host_port();
  }

  void fetch(Callback callback) override {
    question_ = std::make_shared<Question>(loop_, http_, url_, patience_);
    net::HttpRequest request{.method = "PUT", .target = "/latest/api/token"};
    request.headers.set("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    question_->ask(std::move(request), [this, callback = std::move(callback)](
                                           Result<std::string> token) mutable {
      if (!token) {
        Error error = std::move(token).error();
        error.message += "; in a container on EC2, its hop limit must be 2";
        return callback(std::move(error));
      }
      if (token->empty() || !net::is_header_value(*token)) {
        return callback(credentials_error("the answer is no token for the metadata service", true));
      }
      token_ = *std::move(token);
      ask_role(std::move(callback));
    });
  }

 private:
  static constexpr const char* kRoles = "/latest/meta-data/iam/security-credentials/";

  net::HttpRequest get(std::string target) const {
    net::HttpRequest request{.target = std::move(target)};
    request.headers.set("x-aws-ec2-metadata-token", token_);
    return request;
  }

  void ask_role(Callback callback) {
    question_->ask(get(kRoles), [this, callback =
                                           std::move(callback)](Result<std::string> roles) mutable {
      const std::string role = roles ? roles->substr(0, roles->find_first_of("\r\n")) : "";
      if (!roles || role.empty()) {
        Error error = roles ? credentials_error("the answer names no role", true) : roles.error();
        error.message += "; give the instance an instance profile with a role";
        return callback(std::move(error));
      }
      question_->ask(get(kRoles + net::percent_encode(role)),
                     [callback = std::move(callback)](Result<std::string> body) {
                       if (!body) return callback(std::move(body).error());
                       callback(read_endpoint_credentials(*body));
                     });
    });
  }

  net::Loop& loop_;
  net::HttpClient& http_;
  const net::Url url_;
  const Patience patience_;
  std::string token_;
  std::shared_ptr<Question> question_;
};

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

Result<int> small_number(const Environment& environment, const std::string& variable, int otherwise,
                         int most) {
  const std::string text = value_of(environment, variable);
  if (text.empty()) return otherwise;
  int number = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (bad != std::errc() || end != text.data() + text.size() || number < 1 || number > most) {
    return credentials_error(variable + " must be a whole number from 1 to " +
                             std::to_string(most));
  }
  return number;
}

}  // namespace

Result<std::unique_ptr<CredentialsSource>> container_credentials(net::Loop& loop,
                                                                 net::HttpClient& http,
                                                                 const Environment& environment) {
  const std::string relative = value_of(environment, kRelative);
  const std::string full = value_of(environment, kFull);
  if (relative.empty() && full.empty()) return std::unique_ptr<CredentialsSource>();
  const std::string name = relative.empty() ? kFull : kRelative;
  if (!relative.empty() && !net::is_target(relative)) {
    return credentials_error(name + " is no path such as /v2/credentials/…");
  }
  auto url = net::parse_url(
      relative.empty() ? full : "http://" + std::string(kContainerHosts[0]) + relative);
  if (!url || (url->scheme != "http" && url->scheme != "https") || !url->user.empty() ||
      !url->password.empty() || (!relative.empty() && !relative.starts_with('/'))) {
    return credentials_error(
        name + (relative.empty() ? " is no http:// or https:// URL without user and password"
                                 : " is no path such as /v2/credentials/…"));
  }
  const bool known = std::ranges::find(kContainerHosts, url->host) != kContainerHosts.end();
  if (url->scheme == "http" && !known && !is_loopback(url->host)) {
    return credentials_error(
        name +
        " names a host that would get the request for credentials in the clear; use https, a "
        "loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]");
  }
  return std::unique_ptr<CredentialsSource>(
      std::make_unique<ContainerCredentials>(loop, http, *std::move(url), environment));
}

Result<std::unique_ptr<CredentialsSource>> instance_credentials(net::Loop& loop,
                                                                net::HttpClient& http,
                                                                const Environment& environment) {
  if (lower(value_of(environment, "AWS_EC2_METADATA_DISABLED")) == "true") {
    return std::unique_ptr<CredentialsSource>();
  }
  constexpr const char* kEndpoint = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
  constexpr const char* kMode = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
  const std::string mode = lower(value_of(environment, kMode));
  if (!mode.empty() && mode != "ipv4" && mode != "ipv6") {
    return credentials_error(std::string(kMode) + " must be IPv4 or IPv6");
  }
  std::string endpoint = value_of(environment, kEndpoint);
  if (endpoint.empty()) {
    endpoint = mode == "ipv6" ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
  }
  auto url = net::parse_url(endpoint);
  if (!url || (url->scheme != "http" && url->scheme != "https") || !url->user.empty() ||
      !url->password.empty() || !url->query.empty() || (!url->path.empty() && url->path != "/")) {
    return credentials_error(std::string(kEndpoint) +
                             " must be scheme, host and port, such as http://169.254.169.254");
  }
  const auto seconds = small_number(environment, "AWS_METADATA_SERVICE_TIMEOUT", 1, 60);
  if (!seconds) return seconds.error();
  const auto attempts = small_number(environment, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", 3, 20);
  if (!attempts) return attempts.error();
  return std::unique_ptr<CredentialsSource>(std::make_unique<InstanceCredentials>(
      loop, http, *std::move(url),
      Patience{std::chrono::seconds(*seconds), *attempts, Duration(100ms)}));
}

}  // namespace switchgear::aws
