#include "aws/digest.h"

#include <openssl/evp.h>

#include <array>

#include "core/assert.h"

namespace switchgear::aws {
namespace {
using Buffer = std::array<unsigned char, EVP_MAX_MD_SIZE>;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out += {kHex[u >> 4], kHex[u & 15]};
  }
  return out;
}

std::string sha256(std::string_view data) {
  Buffer out;
  unsigned size = 0;
  SG_ASSERT(EVP_Digest(data.data(), data.size(), out.data(), &size, EVP_sha256(), nullptr) == 1);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  Buffer out;
  std::size_t size = 0;
  SG_ASSERT(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
                      reinterpret_cast<const unsigned char*>(data.data()), data.size(), out.data(),
                      out.size(), &size) != nullptr);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::optional<std::string> md5_hex(std::string_view data) {
  Buffer out;
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), out.data(), &size, EVP_md5(), nullptr) != 1) {
    return std::nullopt;
  }
  return to_hex({reinterpret_cast<const char*>(out.data()), size});
}

}  // namespace switchgear::aws
