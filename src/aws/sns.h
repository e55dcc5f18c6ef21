// Amazon SNS, API of 2010-03-31, in its query protocol: publishing to a topic.
#pragma once

#include <functional>
#include <string>

#include "aws/client.h"
#include "core/result.h"
#include "net/call_handle.h"

namespace switchgear::aws {

// On the loop's thread; callbacks as those of AwsClient.
class Sns {
 public:
  using Callback = std::function<void(Result<void>)>;

  // `client`, of the service "sns", outlives this.
  explicit Sns(AwsClient& client) : client_(client) {}

  // `subject` is for those who get it as a mail: what SNS takes of it, 99 printable ASCII
  // characters at most. `message`, UTF-8, at most 256 KB.
  net::CallHandle publish(const std::string& topic_arn, const std::string& subject,
                          const std::string& message, Callback callback);

 private:
  AwsClient& client_;
};

}  // namespace switchgear::aws
