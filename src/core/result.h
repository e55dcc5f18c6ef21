// Result<T>: a value or an operational error (throttled, timed out, not found, refused).
// Programming errors assert instead (core/assert.h); configuration collects Problems (problem.h).
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace switchgear {

// What went wrong, for a person and for the code that decides whether to try again.
struct Error {
  // Short and stable, for code and for searching: "QueueDoesNotExist", "connect", "timeout".
  std::string code;
  // One sentence for a person: what, why, and where known what to do. Never a secret.
  std::string message;
  // Whether the same request may succeed later.
  bool retryable = false;
  // Who said so: "sqs", "redis 127.0.0.1:6379", "handler".
  std::string source;

  // "sqs: QueueDoesNotExist: the queue …"
  std::string text() const {
    return (source.empty() ? "" : source + ": ") + (code.empty() ? "" : code + ": ") + message;
  }
  friend bool operator==(const Error&, const Error&) = default;
};

// tl::expected that may not be ignored.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(tl::expected<T, Error> e) : tl::expected<T, Error>(std::move(e)) {}
  Result(Error e) : tl::expected<T, Error>(tl::unexpect, std::move(e)) {}
};

}  // namespace switchgear
