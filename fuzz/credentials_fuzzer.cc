// Any bytes as a file of profiles, as what an endpoint, a program or STS answers, as a command, as
// the variables of proxies.
#include <cstddef>
#include <cstdint>
#include <string>

#include "aws/credentials_answer.h"
#include "aws/process_credentials.h"
#include "aws/shared_config.h"
#include "core/assert.h"
#include "net/http.h"
#include "net/proxy.h"

namespace {

using namespace switchgear;

// Credentials that were accepted can be sent; what is said of others holds none of the text.
void check(const Result<aws::Credentials>& got, const std::string& text) {
  if (!got) {
    SG_ASSERT(got.error().code == "credentials");
    for (const char c : got.error().text()) SG_ASSERT(c >= ' ' && c < 0x7f);
    return;
  }
  SG_ASSERT(!got->access_key_id.empty() && !got->secret_access_key.empty());
  SG_ASSERT(net::is_header_value(got->access_key_id + got->session_token));
  SG_ASSERT(text.size() >= got->access_key_id.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 7) {
    case 0:
    case 1: {
      aws::SharedConfig config;
      const auto kind = data[0] % 7 == 0 ? aws::SharedFile::config : aws::SharedFile::credentials;
      const auto read = aws::read_shared_config(text, kind, "file", config);
      if (!read) SG_ASSERT(read.error().message.starts_with("file, line "));
      break;
    }
    case 2:
      check(aws::read_endpoint_credentials(text), text);
      break;
    case 3:
      check(aws::read_process_credentials(text), text);
      break;
    case 4:
      check(aws::read_sts_credentials(text, "AssumeRole"), text);
      break;
    case 5:
      if (const auto words = aws::split_words(text)) {
        for (const std::string& word : *words) SG_ASSERT(word.size() <= text.size());
      }
      (void)aws::parse_iso_time(text);
      break;
    default: {
      // A line for the proxy, a line for what is direct.
      const auto line = text.find('\n');
      const auto settings = net::proxies_of([&](const std::string& name) -> std::string {
        if (name == "https_proxy") return text.substr(0, line);
        return name == "no_proxy" && line != std::string::npos ? text.substr(line + 1) : "";
      });
      if (!settings) break;
      for (const char* target : {"https://a.example.com:1", "https://10.1.2.3", "https://[::1]"}) {
        const net::Url* proxy = net::proxy_for(*settings, net::parse_url(target).value());
        if (proxy != nullptr) SG_ASSERT(net::is_header_value(net::proxy_authorization(*proxy)));
      }
    }
  }
  return 0;
}
