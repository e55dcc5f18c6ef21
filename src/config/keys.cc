#include "config/keys.h"

#include <algorithm>
#include <utility>

#include "config/key_makers.h"
#include "core/name.h"
#include "net/url.h"
#include "stores/open.h"

namespace switchgear::config {
namespace {

// A URL may hold a password: messages show it redacted, or not at all.
Read<std::string> read_store_url(const std::string& text) {
  if (const auto checked = stores::check_store_url(text); !checked) {
    return tl::unexpected(checked.error().message);
  }
  return text;
}

Read<std::string> read_http_url(const std::string& text) {
  const auto url = net::parse_url(text);
  if (!url) return tl::unexpected(url.error().message);
  if (url->scheme != "http" && url->scheme != "https") {
    return tl::unexpected("is a URL of the scheme " + in_quotes(url->scheme) +
                          "; write one that begins with http:// or https://");
  }
  return text;
}

Read<std::string> read_event_bus(const std::string& text) {
  if (printable(text) == text && text.find(' ') == std::string::npos && !text.empty()) return text;
  return tl::unexpected(in_quotes(text) + " is no event bus; write its name or ARN");
}

Read<std::string> read_topic(const std::string& text) {
  if (text.starts_with("arn:") && text.find(":sns:") != std::string::npos) return text;
  return tl::unexpected(in_quotes(text) +
                        " is no topic; write its ARN, for example "
                        "arn:aws:sns:eu-central-1:123456789012:on-call");
}

Read<std::string> read_circuit_name(const std::string& text) {
  if (const auto problem = core::problem_with_circuit_name(text)) return tl::unexpected(*problem);
  return text;
}

std::vector<Key<Policy>> make_circuit_keys() {
  using P = Policy;
  const auto at = [](auto member) {
    return [member](auto& policy) -> auto& { return policy.*member; };
  };
  std::vector<Key<P>> keys;
  const auto add = [&](Key<P> k) { keys.push_back(std::move(k)); };

  add(rate<P>("acceptable_failure_rate", at(&P::acceptable_failure_rate), {},
              "Failure rate that is part of normal life; the circuit stays closed at it. Above 0% "
              "and below unacceptable_failure_rate."));
  add(rate<P>("unacceptable_failure_rate", at(&P::unacceptable_failure_rate), {"", "100%"},
              "Failure rate at which the dependency is better left alone. Mild on purpose: "
              "opening at 20% failures turns a partial outage into a total one."));
  add(duration<P>("false_trip_interval", at(&P::false_trip_interval), {"1h", "100y"},
                  "Mean time between false trips while failures stay at the acceptable rate. "
                  "Longer needs more failures to trip."));
  add(integer<P>("failure_weight", at(&P::failure_weight), {"0", "1000000"},
                 "For experts: the trip rule itself, instead of the rates. A failure adds this, a "
                 "success subtracts 1. 0: made from the rates."));
  add(integer<P>("trip_level", at(&P::trip_level), {"0", "1000000"},
                 "For experts: the sum at which the rule of failure_weight trips. 0: made from the "
                 "rates."));
  add(duration<P>("slow_call_duration", at(&P::slow_call_duration), {},
                  "A call that takes at least this long is a slow call, judged by a rule of its "
                  "own. Shorter than call_timeout; 0s for no such rule.",
                  {"slow_call_duration_threshold"}));
  add(rate<P>("acceptable_slow_call_rate", at(&P::acceptable_slow_call_rate), {},
              "Rate of slow calls that is part of normal life. Above 0% and below "
              "unacceptable_slow_call_rate."));
  add(rate<P>("unacceptable_slow_call_rate", at(&P::unacceptable_slow_call_rate), {"", "100%"},
              "Rate of slow calls at which the dependency is better left alone."));
  add(duration<P>("minimum_outage", at(&P::minimum_outage), {"0s", "10m"},
                  "Failures must go on for this long before the circuit opens, for dependencies "
                  "that have short bursts of them."));
  add(choice<P, Rule>("rule", at(&P::rule), {"cusum", "classic"},
                      "Which rule opens the circuit: cusum, made from the acceptable and "
                      "unacceptable rates, is the quickest to tell a raised rate from chance; "
                      "classic is the sliding window with thresholds of other circuit breakers. "
                      "The keys of one are refused with the other."));
  add(choice<P, SlidingWindowType>(
      "sliding_window_type", at(&P::sliding_window_type), {"count", "time"},
      "With rule: classic: the window holds the last calls (count), or those of the last seconds "
      "(time). Of the whole fleet; exact where one process is alone, else estimated from reported "
      "failures and measured traffic."));
  add(integer<P>("sliding_window_size", at(&P::sliding_window_size), {"1", "10000"},
                 "With rule: classic: calls or seconds that the window holds."));
  add(rate<P>("failure_rate_threshold", at(&P::failure_rate_threshold), {"", "100%"},
              "With rule: classic: the circuit opens at this rate of failures or above. Above "
              "0%."));
  add(rate<P>("slow_call_rate_threshold", at(&P::slow_call_rate_threshold), {"", "100%"},
              "With rule: classic: the circuit opens at this rate of slow calls or above, if "
              "slow_call_duration is given. Above 0%."));
  add(integer<P>("minimum_number_of_calls", at(&P::minimum_number_of_calls), {"1", "1000000"},
                 "With rule: classic: no rate is judged before the window holds so many calls. A "
                 "window of fewer calls must be full."));
  add(duration<P>("open_duration", at(&P::open_duration), {"1ms", "24h"},
                  "How long the circuit stays open at first; doubles each time that probes fail, "
                  "up to max_open_duration.",
                  {"wait_duration_in_open_state"}));
  add(duration<P>("max_open_duration", at(&P::max_open_duration), {"1ms", "24h"},
                  "The longest time that the circuit stays open before it probes again. At least "
                  "open_duration."));
  add(number<P>("open_jitter", at(&P::open_jitter), {"0", "0.5"},
                "Each open time is longer or shorter by up to this fraction of it."));
  add(duration<P>("retry_after_max", at(&P::retry_after_max), {"0s", "24h"},
                  "The circuit stays open for as long as the dependency asks by Retry-After, up to "
                  "this. 0s: what it asks is not heeded."));
  add(integer<P>("probes", at(&P::probes), {"1", "32"},
                 "Probe calls in flight at a time, in the whole fleet, while the circuit is "
                 "half-open. How many must succeed is probe_successes.",
                 {"permitted_number_of_calls_in_half_open_state"}));
  add(integer<P>("probe_successes", at(&P::probe_successes), {"1", "1000"},
                 "Probes that must succeed before recovery begins."));
  add(duration<P>("call_timeout", at(&P::call_timeout), {"1ms", "15m"},
                  "No call takes longer than this; the worker ends one that would."));
  add(boolean<P>("recovery_limit", at(&P::recovery_limit),
                 "Whether a limit on calls in flight guards the recovery. Without it the circuit "
                 "closes at full speed after the probes; for experiments only."));
  add(duration<P>("recovery_step", at(&P::recovery_step), {"1s", "10m"},
                  "Time between two steps of the recovery limit."));
  add(number<P>("recovery_initial_limit", at(&P::recovery_initial_limit), {"1", "1000000"},
                "Calls in flight that recovery starts with, in the whole fleet."));
  add(duration<P>("recovery_quiet_duration", at(&P::recovery_quiet_duration), {"1s", "24h"},
                  "The circuit closes once the recovery limit has held back no call for this "
                  "long."));
  add(duration<P>("view_refresh", at(&P::view_refresh), {"1ms", "1h"},
                  "A view of the circuit older than this is refreshed when calls use it, while "
                  "the circuit is closed."));
  add(duration<P>("view_refresh_in_trouble", at(&P::view_refresh_in_trouble), {"1ms", "1h"},
                  "The same while the circuit is not closed."));
  add(duration<P>("view_max_age", at(&P::view_max_age), {"1ms", "24h"},
                  "A view older than this decides nothing any more. At least view_refresh."));
  add(boolean<P>("strict", at(&P::strict),
                 "Whether a call waits, for 10ms at most, while a view older than view_refresh is "
                 "refreshed, instead of going by the old view."));
  add(choice<P, OnStoreFailure>("on_store_failure", at(&P::on_store_failure),
                                {"allow", "refuse", "last_known"},
                                "What happens to calls while the store cannot be reached and no "
                                "young view is there: allow them under a local guard, refuse "
                                "them, or go on with the last state seen."));
  add(choice<P, Mode>("mode", at(&P::mode), {"enforce", "observe", "off"},
                      "enforce refuses calls when the circuit says so; observe only watches and "
                      "reports; off does nothing at all."));
  return keys;
}

std::vector<Key<Config>> make_root_keys() {
  using C = Config;
  std::vector<Key<C>> keys;
  const auto add = [&](Key<C> k) { keys.push_back(std::move(k)); };

  add(text_key<C>(
      "store", Kind::secret_url, [](auto& c) -> auto& { return c.store; }, read_store_url,
      "Where the fleet shares its circuits: redis://[USER:PASSWORD@]HOST[:PORT][/DB], the same "
      "with "
      "rediss:// for TLS, redis+sentinel://HOST[:PORT]/PRIMARY, "
      "dynamodb://TABLE[?region=REGION], or memory: for a circuit of this process alone."));
  add(boolean<C>(
      "push", [](auto& c) -> auto& { return c.push; },
      "Listen to the store's push, where it has one (Redis): a change is known within a round "
      "trip, "
      "at the cost of a second connection and one read per process and change. Nothing depends "
      "on it."));
  add(text_key<C>(
      "worker.queue", Kind::secret_url, [](auto& c) -> auto& { return c.worker.queue; },
      read_http_url, "URL of the SQS queue to take messages from."));
  add(text_key<C>(
      "worker.handler", Kind::secret_url, [](auto& c) -> auto& { return c.worker.handler; },
      read_http_url, "URL that gets one POST per message."));
  add(text_key<C>(
      "worker.circuit", Kind::text, [](auto& c) -> auto& { return c.worker.circuit; },
      read_circuit_name,
      "The circuit that guards the handler; its settings are under circuits, or all "
      "defaults."));
  add(integer<C>(
      "worker.concurrency", [](auto& c) -> auto& { return c.worker.concurrency; }, {"1", "10000"},
      "Messages that one process handles at the same time."));
  add(duration<C>(
      "worker.backoff.base", [](auto& c) -> auto& { return c.worker.backoff.base; },
      {"1s", "43195s"},
      "How long a message stays hidden after its first failure; doubles with each "
      "receive."));
  add(duration<C>(
      "worker.backoff.cap", [](auto& c) -> auto& { return c.worker.backoff.cap; }, {"1s", "43195s"},
      "The longest time that a failed message stays hidden."));
  add(choice<C, core::Jitter>(
      "worker.backoff.jitter", [](auto& c) -> auto& { return c.worker.backoff.jitter; },
      {"none", "full", "equal"},
      "How that time is spread: equal between half of it and all, full "
      "between nothing and all, none not at all."));
  add(duration<C>(
      "worker.handler_timeout", [](auto& c) -> auto& { return c.worker.handler_timeout; },
      {"100ms", "11h"},
      "A call of the handler that takes longer is ended and counts as overload. The same "
      "as call_timeout of the worker's circuit, and then at most 15m."));
  add(duration<C>(
      "worker.retry_after_max", [](auto& c) -> auto& { return c.worker.retry_after_max; },
      {"1s", "43195s"}, "A Retry-After in the handler's answer is honoured up to this."));
  add(duration<C>(
      "worker.shutdown_grace", [](auto& c) -> auto& { return c.worker.shutdown_grace; },
      {"0s", "1h"},
      "After SIGTERM, calls in flight get this long to finish; what is left goes back "
      "to the queue."));
  add(duration<C>(
      "worker.receive_wait", [](auto& c) -> auto& { return c.worker.receive_wait; }, {"0s", "20s"},
      "How long a receive waits for a first message while the circuit is closed; "
      "whole seconds."));
  add(integer<C>(
      "worker.receives_max", [](auto& c) -> auto& { return c.worker.receives_max; }, {"1", "100"},
      "Receives under way at a time, in one process."));
  add(duration<C>(
      "worker.visibility_margin", [](auto& c) -> auto& { return c.worker.visibility_margin; },
      {"5s", "10m"},
      "A received message stays hidden for handler_timeout and this much more; if its worker dies, "
      "another gets it that much later."));
  add(boolean<C>(
      "worker.start_without_store", [](auto& c) -> auto& { return c.worker.start_without_store; },
      "Start even if the store does not answer, under a local guard until it does."));
  add(text_key<C>(
      "worker.listen", Kind::text, [](auto& c) -> auto& { return c.worker.listen; }, read_listen,
      "Address for /metrics and /healthz; port 0 is any free one."));
  add(number<C>(
      "controller.calls_per_second", [](auto& c) -> auto& { return c.controller.calls_per_second; },
      {"0.1", "15"},
      "Calls of Lambda's control plane, at most. The account has 15 a second for all that runs in "
      "it, deployments included."));
  add(duration<C>(
      "controller.lease", [](auto& c) -> auto& { return c.controller.lease; }, {"10s", "10m"},
      "One controller serves a circuit; another takes over when this has passed without a "
      "renewal."));
  add(text_key<C>(
      "controller.event_bus", Kind::text, [](auto& c) -> auto& { return c.controller.event_bus; },
      read_event_bus,
      "EventBridge bus that is told of every change of a circuit and of what is paused, resumed or "
      "about to be lost: a name (default for the account's own) or ARN."));
  add(text_key<C>(
      "controller.sns_topic", Kind::text, [](auto& c) -> auto& { return c.controller.sns_topic; },
      read_topic, "ARN of an SNS topic that is told the same."));
  add(text_key<C>(
      "controller.webhook", Kind::secret_url, [](auto& c) -> auto& { return c.controller.webhook; },
      read_http_url, "URL that gets the same as a POST of JSON."));
  add(text_key<C>(
      "controller.listen", Kind::text, [](auto& c) -> auto& { return c.controller.listen; },
      read_listen, "Address for /metrics and /healthz; port 0 is any free one."));
  return keys;
}

struct Advice {
  std::string_view key;
  std::string_view text;
};
constexpr Advice kForeign[] = {
    {"minimum_calls", "is minimum_number_of_calls here, with rule: classic; write these"},
    {"minimum_throughput", "is minimum_number_of_calls here, with rule: classic; write these"},
    {"sampling_duration",
     "is sliding_window_size here, in seconds, with rule: classic and sliding_window_type: time; "
     "write these"},
    {"failure_threshold",
     "counts failures in a row, which no fleet can share; write unacceptable_failure_rate, for "
     "example 50%"},
    {"failure_ratio",
     "is unacceptable_failure_rate here, or with rule: classic failure_rate_threshold; write one, "
     "for example 50%"},
    {"recovery_timeout", "is open_duration here; write that, for example 30s"},
    {"break_duration", "is open_duration here; write that, for example 30s"},
    {"success_threshold", "is probe_successes here; write that, for example 3"},
};

}  // namespace

const std::vector<Key<Policy>>& circuit_keys() {
  static const auto keys = make_circuit_keys();
  return keys;
}

const std::vector<Key<Config>>& root_keys() {
  static const auto keys = make_root_keys();
  return keys;
}

std::optional<std::string> name_below(std::string_view section_path, std::string_view group) {
  if (!section_path.starts_with(group)) return std::nullopt;
  const std::string_view rest = section_path.substr(group.size());
  if (rest.find('.') != std::string_view::npos) return std::nullopt;
  return std::string(rest);
}

std::string_view foreign_key_advice(std::string_view key) {
  const auto* found = std::ranges::find(kForeign, key, &Advice::key);
  return found == std::end(kForeign) ? std::string_view() : found->text;
}

}  // namespace switchgear::config
