#include "aws/sns.h"

#include <string_view>
#include <utility>

#include "aws/query_form.h"

namespace switchgear::aws {
namespace {

constexpr std::size_t kSubjectMax = 99;

// SNS refuses a subject with a line break, or that begins with anything but a letter, digit or
// punctuation mark.
std::string plain(std::string_view subject) {
  std::string text;
  for (const char c : subject) {
    if (text.size() == kSubjectMax) break;
    const bool printable = c >= ' ' && c <= '~';
    if (c == ' ' && text.empty()) continue;
    text += printable ? c : '?';
  }
  return text;
}

}  // namespace

net::CallHandle Sns::publish(const std::string& topic_arn, const std::string& subject,
                             const std::string& message, Callback callback) {
  QueryForm form("Publish", "2010-03-31");
  form.add("TopicArn", topic_arn);
  if (const std::string line = plain(subject); !line.empty()) form.add("Subject", line);
  form.add("Message", message);
  return client_.call({.body = form.text(), .content_type = std::string(QueryForm::kContentType)},
                      [callback = std::move(callback)](const Result<Answer>& answer) {
                        callback(answer ? Result<void>() : Result<void>(answer.error()));
                      });
}

}  // namespace switchgear::aws
