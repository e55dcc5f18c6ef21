#include "core/outcome.h"

namespace switchgear {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::success:
      return "success";
    case Outcome::failure:
      return "failure";
    case Outcome::overload:
      return "overload";
    case Outcome::ignored:
      return "ignored";
  }
  return "unknown";
}

std::optional<Outcome> outcome_from_string(std::string_view word) {
  for (const Outcome outcome :
       {Outcome::success, Outcome::failure, Outcome::overload, Outcome::ignored}) {
    if (to_string(outcome) == word) return outcome;
  }
  return std::nullopt;
}

namespace core {
namespace {

bool is_overload(int status) {
  return status == 408 || status == 429 || status == 503 || status == 504;
}

}  // namespace

Outcome outcome_of_call(int http_status) {
  if (http_status < 100 || http_status > 599) return Outcome::failure;
  if (is_overload(http_status)) return Outcome::overload;
  if (http_status >= 500) return Outcome::failure;
  if (http_status < 400) return Outcome::success;
  switch (http_status) {
    case 401:  // a dependency that lets nobody in is down for us, whoever's fault it is
    case 403:
      return Outcome::failure;
    case 404:
    case 409:
    case 410:
    case 412:
      return Outcome::success;
    default:
      return Outcome::ignored;
  }
}

Outcome outcome_of_handler(int http_status) {
  if (http_status >= 200 && http_status < 300) return Outcome::success;
  if (is_overload(http_status)) return Outcome::overload;
  if (http_status >= 400 && http_status < 500) return Outcome::ignored;
  // 5xx; also 1xx and 3xx: a handler that redirects has not done the message's work, and will not
  // do the next one's either.
  return Outcome::failure;
}

}  // namespace core
}  // namespace switchgear
