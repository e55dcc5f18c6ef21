#include "aws/error.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

namespace switchgear::aws {
namespace {

namespace json = boost::json;
using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::size_t kTextMax = 500;

// botocore, retries/standard.py, and what SQS and DynamoDB themselves name.
constexpr std::array<std::string_view, 15> kThrottling{"Throttling",
                                                       "ThrottlingException",
                                                       "ThrottledException",
                                                       "RequestThrottled",
                                                       "RequestThrottledException",
                                                       "TooManyRequestsException",
                                                       "ProvisionedThroughputExceededException",
                                                       "TransactionInProgressException",
                                                       "RequestLimitExceeded",
                                                       "BandwidthLimitExceeded",
                                                       "LimitExceededException",
                                                       "SlowDown",
                                                       "EC2ThrottledException",
                                                       "KmsThrottled",
                                                       "PriorRequestNotComplete"};
// Trouble of the service or a clash with another's write, whatever the status.
constexpr std::array<std::string_view, 6> kTransient{
    "RequestTimeout",        "RequestTimeoutException",      "InternalServerError",
    "IDPCommunicationError", "TransactionConflictException", "ReplicatedWriteConflictException"};
constexpr std::array<std::string_view, 6> kMaybeSkew{
    "RequestTimeTooSkewed",      "RequestExpired",        "RequestInTheFuture",
    "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"};

constexpr std::array<std::string_view, 4> kRefusedCredentials{
    "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"};

constexpr std::array kHints{
    Pair{"QueueDoesNotExist", "check the queue's URL, its region and account"},
    Pair{"InvalidClientTokenId",
         "AWS does not know this access key: check AWS_ACCESS_KEY_ID, and "
         "AWS_SESSION_TOKEN for temporary credentials"},
    Pair{"UnrecognizedClientException",
         "AWS does not know this access key: check "
         "AWS_ACCESS_KEY_ID, and AWS_SESSION_TOKEN for temporary "
         "credentials"},
    Pair{"SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY and this machine's clock"},
    Pair{"InvalidSignatureException", "check AWS_SECRET_ACCESS_KEY and this machine's clock"},
    Pair{"ExpiredToken", "the temporary credentials have expired: get new ones"},
    Pair{"ExpiredTokenException", "the temporary credentials have expired: get new ones"},
    Pair{"ResourceInUseException", "it exists already, or is just being made or changed"},
    Pair{"ItemCollectionSizeLimitExceededException",
         "the table has a local index: the table for circuits needs none"},
    Pair{"AccessDenied", "the credentials lack a permission for this call"},
    Pair{"AccessDeniedException", "the credentials lack a permission for this call"},
};

// For codes that mean something else elsewhere.
struct HintOfService {
  std::string_view service;
  std::string_view code;
  std::string_view hint;
};
constexpr std::array kHintsOfServices{
    HintOfService{"dynamodb", "ResourceNotFoundException",
                  "the table does not exist in this region and account: check its name and "
                  "AWS_REGION, or make it with `switchgear init dynamodb`"},
    HintOfService{"lambda", "ResourceNotFoundException",
                  "check the name, ARN or UUID, the region and the account"},
};

template <class List>
bool contains(const List& list, std::string_view code) {
  return std::ranges::find(list, code) != std::end(list);
}

// Someone else's text as part of our message.
std::string tame(std::string_view text) {
  // SignatureDoesNotMatch goes on with the canonical request, session token included.
  text = text.substr(0, text.find("The Canonical String"));
  std::string out(text.substr(0, kTextMax));
  // Not in the middle of a UTF-8 sequence.
  while (text.size() > kTextMax && !out.empty() && (out.back() & 0x80) != 0) out.pop_back();
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  while (out.ends_with(' ')) out.pop_back();
  return out + (text.size() > kTextMax ? "…" : "");
}

std::string text_of(const json::object& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (const auto* text = object.if_contains(key); text != nullptr && text->is_string()) {
      return {text->get_string().data(), text->get_string().size()};
    }
  }
  return {};
}

// The text of the first <tag>…</tag>. Query-era front ends, and moto, refuse credentials in XML
// whatever protocol was spoken.
std::string xml_text(std::string_view body, const std::string& tag) {
  const auto open = body.find("<" + tag + ">");
  if (open == std::string_view::npos) return {};
  body.remove_prefix(open + tag.size() + 2);
  const auto close = body.find("</" + tag + ">");
  return close == std::string_view::npos ? std::string() : std::string(body.substr(0, close));
}

std::string header(const net::HttpResponse& response, std::string_view name) {
  return std::string(response.headers.get(name).value_or(""));
}

// The service's own word on why it throttles: of DynamoDB such as
// "TableWriteKeyRangeThroughputExceeded" for one item written too often, of Lambda such as
// "ReservedFunctionConcurrentInvocationLimitExceeded"; "" if it gives none.
std::string throttling_reason(const json::object& fields) {
  if (const std::string reason = tame(text_of(fields, {"Reason"})); !reason.empty()) return reason;
  for (const char* key : {"ThrottlingReasons", "throttlingReasons"}) {
    const auto* reasons = fields.if_contains(key);
    if (reasons == nullptr || !reasons->is_array()) continue;
    for (const json::value& reason : reasons->get_array()) {
      if (reason.is_object()) return tame(text_of(reason.get_object(), {"reason"}));
    }
  }
  return {};
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string normalise_code(std::string_view code) {
  if (const auto hash = code.find('#'); hash != std::string_view::npos) {
    code.remove_prefix(hash + 1);
  }
  code = code.substr(0, code.find(':'));
  constexpr std::string_view kQueryEra = "AWS.SimpleQueueService.";
  if (code.starts_with(kQueryEra)) code.remove_prefix(kQueryEra.size());
  if (code == "NonExistentQueue") code = "QueueDoesNotExist";
  return tame(code.substr(0, 100));
}

bool is_throttling_code(std::string_view code) { return contains(kThrottling, code); }

ServiceError read_error(const net::HttpResponse& response, const std::string& service) {
  boost::system::error_code bad;
  const json::value body = json::parse(response.body, bad);
  const json::object empty;
  const json::object& fields = !bad && body.is_object() ? body.get_object() : empty;

  // A query-compatible service may name the code of old: "AWS.SimpleQueueService.…;Sender".
  const std::string query_error = header(response, "x-amzn-query-error");
  const std::string legacy = tame(query_error.substr(0, query_error.find(';')));
  const bool our_fault = query_error.ends_with(";Sender");

  ServiceError out;
  Error& error = out.error;
  error.source = service;
  error.code = normalise_code(text_of(fields, {"__type"}));
  // REST-JSON services such as Lambda; botocore asks in this order too.
  if (error.code.empty()) error.code = normalise_code(header(response, "x-amzn-ErrorType"));
  if (error.code.empty()) error.code = normalise_code(text_of(fields, {"code", "Code"}));
  if (error.code.empty()) error.code = normalise_code(legacy);
  if (error.code.empty()) error.code = normalise_code(xml_text(response.body, "Code"));
  const std::string status = std::to_string(response.status);
  const bool from_aws = !error.code.empty();
  if (!from_aws) error.code = "http_" + status;

  error.message = tame(text_of(fields, {"message", "Message"}));
  if (error.message.empty()) error.message = tame(xml_text(response.body, "Message"));
  if (!from_aws) {
    error.message = "the answer is not one of AWS; check the endpoint";
  } else if (error.message.empty()) {
    error.message = "no message";
  }
  error.message += " (HTTP " + status;
  const std::string id = tame(header(response, "x-amzn-RequestId"));
  if (!id.empty()) error.message += ", request id " + id;
  if (!legacy.empty() && legacy != error.code) error.message += ", " + legacy;
  const std::string reason = throttling_reason(fields);
  if (!reason.empty()) error.message += ", " + reason;
  error.message += ")";
  for (const auto& [of, code, hint] : kHintsOfServices) {
    if (of == service && code == error.code) error.message += "; " + std::string(hint);
  }
  for (const auto& [code, hint] : kHints) {
    if (code == error.code) error.message += "; " + std::string(hint);
  }

  out.throttled = is_throttling_code(error.code) || is_throttling_code(legacy) ||
                  (!from_aws && response.status == 429);
  out.maybe_clock_skew = contains(kMaybeSkew, error.code);
  out.refuses_credentials = contains(kRefusedCredentials, error.code);
  const bool server_trouble = response.status == 500 || response.status == 502 ||
                              response.status == 503 || response.status == 504;
  error.retryable =
      out.throttled || contains(kTransient, error.code) || (server_trouble && !our_fault);
  return out;
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  using namespace std::chrono;
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  // "Sun, 06 Nov 1994 08:49:37 GMT"
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' ||
      text[16] != ' ' || text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    const std::string_view digits = text.substr(at, size);
    int value = 0;
    for (const char c : digits) value = value * 10 + (c - '0');
    return is_number(digits) ? value : -1;
  };
  const auto month = std::ranges::find(kMonths, text.substr(8, 3)) - kMonths.begin();
  const year_month_day date{year(number(12, 4)),
                            std::chrono::month(static_cast<unsigned>(month) + 1),
                            day(static_cast<unsigned>(number(5, 2)))};
  const int hour = number(17, 2);
  const int minute = number(20, 2);
  const int second = number(23, 2);
  if (number(12, 4) < 1970 || number(12, 4) > 2200 || !date.ok() || hour < 0 || hour > 23 ||
      minute < 0 || minute > 59 || second < 0 || second > 60) {
    return std::nullopt;
  }
  const sys_seconds time = sys_days(date) + hours(hour) + minutes(minute) + seconds(second);
  return WallTime(time.time_since_epoch());
}

}  // namespace switchgear::aws
