// Credentials from a program: credential_process of a profile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/cached_credentials.h"
#include "core/result.h"
#include "net/loop.h"

namespace switchgear::aws {

// Runs `command` at each fetch, without a shell and without blocking the loop; it has `timeout`.
// `name` says where it is written. Error "credentials" if it cannot be taken apart.
Result<std::unique_ptr<CredentialsSource>> process_credentials(net::Loop& loop,
                                                               const std::string& command,
                                                               const std::string& name,
                                                               Duration timeout = 45s);

// A command's words as a POSIX shell takes them apart: quotes, backslashes, nothing else. Nothing
// comes back if a quote is not closed.
std::optional<std::vector<std::string>> split_words(std::string_view command);

}  // namespace switchgear::aws
