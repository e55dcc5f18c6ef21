#include "cli/controller_lambda.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <ostream>

#include "config/json_writer.h"
#include "net/clocks.h"
#include "net/http_client.h"

namespace switchgear::cli {
namespace {

constexpr const char* kInvocation = "/2018-06-01/runtime/invocation/";
// The next start may be long in coming, and the process stands still meanwhile.
constexpr Duration kForever = 24h * 365;
constexpr Duration kAnswer = 5s;
// With less there would be no turn to speak of.
constexpr Duration kTurnMin = 1s;

struct Start {
  std::string id;
  std::optional<std::int64_t> deadline_ms;  // by the wall clock, since 1970
};

class RuntimeApi {
 public:
  explicit RuntimeApi(net::Url api) : api_(std::move(api)), http_(loop_) {}

  Result<Start> next() {
    auto answer = send({.method = "GET", .target = std::string(kInvocation) + "next"}, kForever);
    if (!answer) return answer.error();
    const auto id = answer->headers.get("Lambda-Runtime-Aws-Request-Id");
    if (answer->status != 200 || !id) return refused("next", *answer);
    Start start{.id = std::string(*id), .deadline_ms = {}};
    if (const auto text = answer->headers.get("Lambda-Runtime-Deadline-Ms")) {
      std::int64_t ms = 0;
      const char* const end = text->data() + text->size();
      if (std::from_chars(text->data(), end, ms).ptr == end) start.deadline_ms = ms;
    }
    return start;
  }

  Result<void> done(const Start& start) { return post(start, "response", {}, "{}"); }

  Result<void> failed(const Start& start, const std::string& why) {
    config::JsonWriter body;
    body.begin_object()
        .member("errorMessage", why)
        .member("errorType", "Switchgear.Failed")
        .end_object();
    return post(start, "error", {{"Lambda-Runtime-Function-Error-Type", "Switchgear.Failed"}},
                body.text());
  }

 private:
  Result<void> post(const Start& start, const std::string& what, net::Headers headers,
                    std::string body) {
    headers.set("Content-Type", "application/json");
    const auto answer = send({.method = "POST",
                              .target = kInvocation + start.id + "/" + what,
                              .headers = std::move(headers),
                              .body = std::move(body)},
                             kAnswer);
    if (!answer) return answer.error();
    if (answer->status != 202) return refused(what, *answer);
    return {};
  }

  // Sent again if the connection turns out to have been closed while the process stood still: a
  // second answer to the same start is refused and does no harm.
  Result<net::HttpResponse> send(net::HttpRequest request, Duration timeout) {
    // Some hosts give an address with a path.
    request.target = api_.path + request.target;
    std::optional<Result<net::HttpResponse>> answer;
    const auto call =
        http_.send(api_, std::move(request), {.timeout = timeout, .idempotent = true},
                   [&answer](Result<net::HttpResponse> result) { answer = std::move(result); });
    loop_.run_until([&] { return answer.has_value(); }, timeout + kAnswer);
    if (answer) return *std::move(answer);
    return Error{.code = "timeout", .message = "no answer", .retryable = true, .source = "runtime"};
  }

  static Error refused(const std::string& what, const net::HttpResponse& answer) {
    return {
        .code = "runtime",
        .message = what + ": " + std::to_string(answer.status) + " " + answer.body.substr(0, 200),
        .retryable = false,
        .source = "the Runtime API"};
  }

  net::Url api_;
  net::Loop loop_;
  net::HttpClient http_;
};

Duration turn_of(const Start& start, Duration turn_max) {
  if (!start.deadline_ms) return turn_max;
  const Duration now = net::read_clocks().wall.time_since_epoch();
  return std::min(turn_max, std::chrono::milliseconds(*start.deadline_ms) - now - kLambdaEnd);
}

}  // namespace

std::string lambda_runtime_api(const Context& context) {
  return context.variable("AWS_LAMBDA_RUNTIME_API");
}

int serve_lambda(Context& context, Duration turn_max, const LambdaTurn& turn) {
  const auto give_up = [&context](const Error& error) {
    context.err << "switchgear: Lambda's Runtime API: " << error.text() << std::endl;
    return kFailed;
  };
  auto url = net::parse_url("http://" + lambda_runtime_api(context));
  if (!url) return give_up(url.error());
  RuntimeApi api(*std::move(url));
  while (true) {
    const auto start = api.next();
    if (!start) return give_up(start.error());
    const Duration run_for = turn_of(*start, turn_max);
    std::string why = "the function's time-out leaves no time for a turn; write 20 s or more";
    if (run_for >= kTurnMin) {
      const int code = turn(run_for);
      why = code == kDone ? ""
                          : "ended with exit code " + std::to_string(code) + "; its log says why";
    }
    const Result<void> told = why.empty() ? api.done(*start) : api.failed(*start, why);
    if (!told) return give_up(told.error());
  }
}

std::vector<std::string> lambda_arguments(const Context& context, std::string_view program,
                                          std::vector<std::string> arguments) {
  const std::string_view name = program.substr(program.rfind('/') + 1);
  const std::string handler = context.variable("_HANDLER");
  if (name != "bootstrap" || !arguments.empty() || handler.empty() ||
      lambda_runtime_api(context).empty()) {
    return arguments;
  }
  return {handler, "--lambda"};
}

}  // namespace switchgear::cli
