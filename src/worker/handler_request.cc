#include "worker/handler_request.h"

#include "aws/base64.h"
#include "queue/time_text.h"

namespace switchgear::worker {
namespace {

// Servers commonly take 8 KB for one header.
constexpr std::size_t kHeaderBytesMax = 8'192;

bool fits(std::string_view value) {
  return value.size() <= kHeaderBytesMax && net::is_header_value(value);
}

}  // namespace

HandlerRequest handler_request(const net::Url& handler, std::string_view queue_name,
                               const queue::Message& message) {
  HandlerRequest result;
  net::HttpRequest& request = result.request;
  request.method = "POST";
  request.target = handler.target();
  request.body = message.body;
  net::Headers& headers = request.headers;

  std::string content_type = "application/json";
  for (const auto& [name, attribute] : message.attributes) {
    if (attribute.binary() || !fits(attribute.value)) {
      result.attributes_left_out++;
      continue;
    }
    if (net::equal_ignoring_case(name, "content-type") && !attribute.value.empty()) {
      content_type = attribute.value;
    }
    if (name == "traceparent" || name == "tracestate") headers.set(name, attribute.value);
    const std::string header = "X-Aws-Sqsd-Attr-" + name;
    if (net::is_header_name(header)) {
      headers.add(header, attribute.value);
    } else {
      result.attributes_left_out++;
    }
  }
  headers.set("Content-Type", content_type);
  headers.set("X-Aws-Sqsd-Msgid", message.id);
  headers.set("X-Aws-Sqsd-Queue", queue_name);
  headers.set("X-Aws-Sqsd-Receive-Count", std::to_string(message.receive_count));
  if (message.first_received) {
    headers.set("X-Aws-Sqsd-First-Received-At", queue::utc_text(*message.first_received));
  }
  if (!handler.user.empty() || !handler.password.empty()) {
    headers.set("Authorization",
                "Basic " + aws::base64_encode(handler.user + ":" + handler.password));
  }
  return result;
}

std::string queue_name_of(const net::Url& queue_url) {
  const std::size_t slash = queue_url.path.rfind('/');
  return slash == std::string::npos ? queue_url.path : queue_url.path.substr(slash + 1);
}

}  // namespace switchgear::worker
