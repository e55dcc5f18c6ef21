#include "aws/credentials.h"

#include <algorithm>
#include <array>

namespace switchgear::aws {
namespace {

constexpr const char* kKeyId = "AWS_ACCESS_KEY_ID";
constexpr const char* kSecret = "AWS_SECRET_ACCESS_KEY";
constexpr const char* kToken = "AWS_SESSION_TOKEN";

}  // namespace

Error credentials_error(std::string message, bool retryable, std::string source) {
  return {.code = "credentials",
          .message = std::move(message),
          .retryable = retryable,
          .source = std::move(source)};
}

// Anything else comes from a slip in copying, and a line break could not even be sent.
bool is_credential_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

Result<Credentials> credentials_from_environment(const Environment& environment) {
  Credentials credentials{.access_key_id = value_of(environment, kKeyId),
                          .secret_access_key = value_of(environment, kSecret),
                          .session_token = value_of(environment, kToken)};
  std::string missing;
  for (const auto& [name, value] : {std::pair{kKeyId, &credentials.access_key_id},
                                    std::pair{kSecret, &credentials.secret_access_key}}) {
    if (value->empty()) missing += (missing.empty() ? "" : " and ") + std::string(name);
  }
  if (!missing.empty()) {
    return credentials_error("no AWS credentials: " + missing +
                             " not set; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and "
                             "AWS_SESSION_TOKEN for temporary credentials");
  }
  for (const auto& [name, value] : {std::pair{kKeyId, &credentials.access_key_id},
                                    std::pair{kSecret, &credentials.secret_access_key},
                                    std::pair{kToken, &credentials.session_token}}) {
    if (!is_credential_text(*value)) {
      return credentials_error(std::string(name) +
                               " has a space, line break or other character that no AWS "
                               "credential has; copy it again");
    }
  }
  return credentials;
}

}  // namespace switchgear::aws
