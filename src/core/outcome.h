// How one call to a dependency ended, in the four classes that the breaker knows.
#pragma once

#include <optional>
#include <string_view>

namespace switchgear {

enum class Outcome : unsigned char {
  success,   // the dependency answered in time, and "not found" is an answer too
  failure,   // it is broken: 5xx, connect, DNS, TLS, 401, 403
  overload,  // it cannot keep up: timeout, 408, 429, 503, 504
  ignored,   // says nothing about the dependency: the caller's own fault, cancelled
};

std::string_view to_string(Outcome);
std::optional<Outcome> outcome_from_string(std::string_view);

namespace core {
// The class of an HTTP status for a call made to a dependency. Timely 404, 409, 410 and 412 are
// successes: the dependency is well and said no. Statuses below 100 or above 599 are failures.
Outcome outcome_of_call(int http_status);

// The class of an HTTP status that a worker's handler answers for one message. 2xx: done. Every
// 4xx but 408 and 429 is the message's own fault and says nothing about the dependency.
Outcome outcome_of_handler(int http_status);
}  // namespace core

}  // namespace switchgear
