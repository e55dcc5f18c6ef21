#include "aws/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <climits>

#include "core/assert.h"

namespace switchgear::aws {
namespace {
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
}  // namespace

std::string base64_encode(std::string_view bytes) {
  SG_ASSERT(bytes.size() < INT_MAX / 2);
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL adds a NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(bytes),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() >= INT_MAX / 2) return std::nullopt;
  if (text.empty()) return "";
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string out(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(text),
                      static_cast<int>(text.size())) < 0) {
    return std::nullopt;
  }
  out.resize(out.size() - padding);
  // OpenSSL forgives white space at the ends, padding inside and stray bits; we do not.
  if (base64_encode(out) != text) return std::nullopt;
  return out;
}

}  // namespace switchgear::aws
