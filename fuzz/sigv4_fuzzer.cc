// Any target, header and body to sign: no crash, one signature of the right form, and the same
// for the same request.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "aws/sigv4.h"
#include "core/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchgear;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto line = std::min(text.find('\n'), text.size());
  const net::HttpRequest request{
      .method = "POST",
      .target = "/" + text.substr(0, line),
      .headers = {{"Host", "h"}, {"X-A", text.substr(line)}, {"x-a", text.substr(0, line)}},
      .body = text};
  const aws::Credentials credentials{"AKIDEXAMPLE", "secret"};
  const WallTime time{std::chrono::seconds(1440938160)};
  const auto first = sign(request, credentials, {"us-east-1", "sqs"}, time);
  const auto second = sign(request, credentials, {"us-east-1", "sqs"}, time);
  SG_ASSERT(first.headers == second.headers);
  const std::string authorization(*first.headers.get("Authorization"));
  SG_ASSERT(authorization.substr(authorization.rfind('=') + 1).size() == 64);
  return 0;
}
