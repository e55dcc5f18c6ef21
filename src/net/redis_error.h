// What Redis means by its error replies, for people and for code that decides on a retry. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace switchgear::net {

// The error behind an error reply such as "OOM command not allowed …". Codes: "auth" for wrong or
// missing credentials and rights; otherwise the reply's own first word ("LOADING", "READONLY",
// "OOM", "NOSCRIPT", "ERR", …). The reply's text is shortened and shown without control
// characters. Where a right is missing the message says which, and if `acl_rule` is not empty,
// that this rule gives a user all that are needed.
Error redis_error(std::string_view reply, std::string source, std::string_view acl_rule = {});

}  // namespace switchgear::net
