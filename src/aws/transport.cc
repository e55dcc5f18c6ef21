#include "aws/transport.h"

#include <charconv>
#include <utility>

#include "net/proxy.h"

namespace switchgear::aws {
namespace {

constexpr int kAttemptsMax = 100;

Error retry_error(std::string message) {
  return {.code = "retry", .message = std::move(message), .retryable = false, .source = ""};
}

}  // namespace

Result<net::HttpClientOptions> http_options(const Environment& environment) {
  auto proxies =
      net::proxies_of([&](const std::string& variable) { return value_of(environment, variable); });
  if (!proxies) return proxies.error();
  return net::HttpClientOptions{.ca_file = value_of(environment, "AWS_CA_BUNDLE"),
                                .proxies = *std::move(proxies)};
}

Result<AwsClientOptions> client_options(const Environment& environment,
                                        const std::string& service) {
  AwsClientOptions options;
  // botocore, retries/standard.py: what is usually answered in some milliseconds is asked again
  // sooner and once more often.
  if (service == "dynamodb") {
    options.attempts_max = 4;
    options.backoff_base = 25ms;
  }
  const std::string mode = value_of(environment, "AWS_RETRY_MODE");
  if (!mode.empty() && mode != "standard" && mode != "legacy" && mode != "adaptive") {
    return retry_error("AWS_RETRY_MODE (or retry_mode of the profile) must be standard");
  }
  const std::string attempts = value_of(environment, "AWS_MAX_ATTEMPTS");
  if (attempts.empty()) return options;
  int number = 0;
  const auto [end, bad] =
      std::from_chars(attempts.data(), attempts.data() + attempts.size(), number);
  if (bad != std::errc() || end != attempts.data() + attempts.size() || number < 1 ||
      number > kAttemptsMax) {
    return retry_error(
        "AWS_MAX_ATTEMPTS (or max_attempts of the profile) must be a whole number from 1 to " +
        std::to_string(kAttemptsMax));
  }
  options.attempts_max = number;
  return options;
}

}  // namespace switchgear::aws
