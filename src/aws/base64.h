// Base64 (RFC 4648, with padding), on OpenSSL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace switchgear::aws {

std::string base64_encode(std::string_view bytes);
// Nothing if the text is not canonical base64 without white space.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace switchgear::aws
