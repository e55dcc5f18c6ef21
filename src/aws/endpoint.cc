#include "aws/endpoint.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace switchgear::aws {
namespace {

// Region prefix to domains; anything else is the commercial partition or GovCloud, which share
// theirs.
struct Partition {
  std::string_view prefix;
  std::string_view domain;
  std::string_view dual_stack_domain;
};
constexpr std::array kPartitions{
    Partition{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    Partition{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    Partition{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    Partition{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    Partition{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    Partition{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
};
constexpr Partition kCommercial{"", "amazonaws.com", "api.aws"};

// The domains under which queue URLs of AWS are found, dual-stack ones included.
constexpr std::array<std::string_view, 14> kAwsDomains{
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.aws.ic.gov",
    "api.amazonwebservices.eu",
    "api.aws.scloud",
    "api.aws.hci.ic.gov",
    "api.cloud-aws.adc-e.uk",
};

bool is_region(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::vector<std::string> labels(std::string_view host) {
  std::vector<std::string> out(1);
  for (const char c : host) {
    if (c == '.') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-') c = '_';
  }
  return out;
}

// Services whose variable names them otherwise than their host does.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kVariables{
    {{"monitoring", "CLOUDWATCH"}, {"events", "EVENTBRIDGE"}, {"states", "SFN"}}};

// What follows AWS_ENDPOINT_URL_.
std::string variable_part(std::string_view service) {
  for (const auto& [host, variable] : kVariables) {
    if (host == service) return std::string(variable);
  }
  return upper(service);
}

Error problem(std::string code, std::string message) {
  return {.code = std::move(code), .message = std::move(message), .retryable = false, .source = ""};
}

bool is_true(std::string text) {
  for (char& c : text) c = static_cast<char>(c | 0x20);
  return text == "true";
}

// Whether the endpoint of FIPS in GovCloud has a name of its own. The usual ones conform already,
// so that for most services only the dual-stack one has.
bool fips_is_named(const std::string& service, bool dual_stack) {
  if (service == "lambda") return true;
  return dual_stack && service != "monitoring";
}

struct Given {
  std::string value;
  std::string name;  // of the option or variable
};

Given first_given(std::initializer_list<Given> candidates) {
  for (const Given& candidate : candidates) {
    if (!candidate.value.empty()) return candidate;
  }
  return {};
}

Result<net::Url> custom_url(const Given& given) {
  auto url = net::parse_url(given.value);
  if (!url) return problem("endpoint", given.name + ": " + url.error().message);
  if (url->scheme != "http" && url->scheme != "https") {
    return problem("endpoint", given.name + ": " + url->text() + " is neither http nor https");
  }
  if (!url->query.empty() || !url->user.empty() || !url->password.empty() ||
      (!url->path.empty() && url->path != "/")) {
    return problem("endpoint", given.name + ": " + url->text() +
                                   " has more than scheme, host and port; write for example "
                                   "http://127.0.0.1:4566");
  }
  return url;
}

}  // namespace

std::string_view dns_suffix(std::string_view region, bool dual_stack) {
  const auto found = std::ranges::find_if(kPartitions, [&](const Partition& partition) {
    return region.starts_with(partition.prefix);
  });
  const Partition& partition = found == kPartitions.end() ? kCommercial : *found;
  return dual_stack ? partition.dual_stack_domain : partition.domain;
}

std::string region_of_queue_url(std::string_view queue_url) {
  const auto url = net::parse_url(queue_url);
  if (!url) return {};
  const bool aws = std::ranges::any_of(kAwsDomains, [&](std::string_view domain) {
    return url->host.ends_with("." + std::string(domain));
  });
  if (!aws) return {};
  const std::vector<std::string> parts = labels(url->host);
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    // sqs.REGION.…, also behind the name of a VPC endpoint.
    if ((parts[i] == "sqs" || parts[i] == "sqs-fips") && is_region(parts[i + 1])) {
      return parts[i + 1];
    }
    if (parts[i] == "queue") return i > 0 ? parts[i - 1] : "us-east-1";
  }
  return {};
}

Result<Endpoint> resolve_endpoint(const EndpointQuestion& question,
                                  const Environment& environment) {
  const auto variable = [&](const std::string& name) {
    return Given{value_of(environment, name), name};
  };
  const bool ignore = value_of(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == "true";
  const Given own = variable("AWS_ENDPOINT_URL_" + variable_part(question.service));
  const Given general = variable("AWS_ENDPOINT_URL");
  const Given url = first_given({{question.endpoint_url, "--endpoint-url"},
                                 ignore ? Given{} : own,
                                 ignore ? Given{} : general});

  const std::string queue_region = region_of_queue_url(question.queue_url);
  const Given region = first_given({{question.region, "--region"},
                                    variable("AWS_REGION"),
                                    variable("AWS_DEFAULT_REGION"),
                                    {queue_region, "the queue URL"},
                                    {question.default_region, "the caller"}});
  if (region.value.empty()) {
    return problem("region",
                   "no AWS region: set --region, AWS_REGION or AWS_DEFAULT_REGION" +
                       std::string(url.value.empty() ? ""
                                                     : " (with an endpoint of your own any "
                                                       "will do, for example us-east-1)"));
  }
  if (!is_region(region.value)) {
    return problem("region", region.name +
                                 " holds something that is no AWS region; write for "
                                 "example eu-central-1");
  }

  const bool fips = is_true(value_of(environment, "AWS_USE_FIPS_ENDPOINT"));
  const bool dual_stack = is_true(value_of(environment, "AWS_USE_DUALSTACK_ENDPOINT"));
  Endpoint endpoint{.url = {}, .region = region.value, .service = question.service};
  if (!url.value.empty()) {
    auto custom = custom_url(url);
    if (!custom) return custom.error();
    if (fips || dual_stack) {
      return problem("endpoint",
                     url.name + " names an endpoint, and " +
                         (fips ? "AWS_USE_FIPS_ENDPOINT" : "AWS_USE_DUALSTACK_ENDPOINT") +
                         " (or the profile) wants another; leave out one of the two");
    }
    endpoint.url = *std::move(custom);
    endpoint.custom = true;
    return endpoint;
  }
  if (!queue_region.empty() && queue_region != region.value) {
    return problem("region", "the queue is in " + queue_region + ", but " + region.name + " says " +
                                 region.value + "; use --region " + queue_region);
  }
  endpoint.url.scheme = "https";
  const bool named_fips =
      fips && (!region.value.starts_with("us-gov-") || fips_is_named(question.service, dual_stack));
  endpoint.url.host = question.service + (named_fips ? "-fips." : ".") + region.value + "." +
                      std::string(dns_suffix(region.value, dual_stack));
  endpoint.url.port = 443;
  return endpoint;
}

}  // namespace switchgear::aws
