// Hashes, on OpenSSL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace switchgear::aws {

std::string to_hex(std::string_view bytes);
// 32 raw bytes.
std::string sha256(std::string_view data);
std::string hmac_sha256(std::string_view key, std::string_view data);
// Lower-case hex. Nothing where policy forbids MD5 (OpenSSL in FIPS mode). SQS uses it as a
// checksum; it protects nothing.
std::optional<std::string> md5_hex(std::string_view data);

}  // namespace switchgear::aws
