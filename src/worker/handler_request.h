// What the handler gets for a message: one POST in the convention of Elastic Beanstalk's daemon
// (aws-sqsd), so that handlers written for it work unchanged. Pure.
// Source:
// https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/using-features-managing-env-tiers.html
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"
#include "net/url.h"
#include "queue/message.h"

namespace switchgear::worker {

struct HandlerRequest {
  net::HttpRequest request;
  // Attributes left out because no header can carry them: binary ones, those with control
  // characters, and those beyond 8 KB.
  int attributes_left_out = 0;
};

// Body unchanged; Content-Type from the message attribute of that name, else application/json;
// X-Aws-Sqsd-Msgid, -Receive-Count, -Queue, -First-Received-At (ISO 8601, UTC) and
// -Attr-<name>; traceparent and tracestate if the message has attributes of these names. User and
// password of the handler's URL become basic authentication.
HandlerRequest handler_request(const net::Url& handler, std::string_view queue_name,
                               const queue::Message& message);

// The last part of a queue's URL: "orders".
std::string queue_name_of(const net::Url& queue_url);

}  // namespace switchgear::worker
