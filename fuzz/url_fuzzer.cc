// Any text as a URL. One that can be read must survive being read again, and an error must not
// show what stands before an @.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/assert.h"
#include "net/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchgear::net;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto url = parse_url(text);
  if (url) {
    SG_ASSERT(!url->host.empty());
    Url plain = *url;
    plain.user.clear();
    plain.password.clear();
    const auto again = parse_url(plain.text());
    SG_ASSERT(again && *again == plain);
  } else {
    SG_ASSERT(url.error().code == "url");
  }
  std::string decoded;
  if (percent_decode(text, decoded)) {
    std::string back;
    SG_ASSERT(percent_decode(percent_encode(decoded), back) && back == decoded);
  }
  return 0;
}
