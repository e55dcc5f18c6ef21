#include "aws/cloudwatch.h"

#include <memory>
#include <utility>

#include "aws/cloudwatch_codec.h"

namespace switchgear::aws {
namespace {

// A chain of calls, one for each page. Each call's callback holds it.
struct Pages : std::enable_shared_from_this<Pages> {
  AwsClient& client;
  std::vector<std::string> names;
  CloudWatch::Callback<std::vector<Alarm>> callback;
  std::vector<Alarm> alarms = {};
  std::string token = {};
  net::CallHandle under_way = {};

  Pages(AwsClient& on, std::vector<std::string> of, CloudWatch::Callback<std::vector<Alarm>> to)
      : client(on), names(std::move(of)), callback(std::move(to)) {}

  void ask() {
    under_way = client.call(
        {.target = "GraniteServiceVersion20100801.DescribeAlarms",
         .body = cloudwatch_codec::describe_alarms_request(names, token)},
        [self = shared_from_this()](Result<Answer> answer) { self->answered(std::move(answer)); });
  }

  void answered(Result<Answer> answer) {
    if (!answer) return callback(std::move(answer).error());
    auto page = cloudwatch_codec::read_alarms(answer->body);
    if (!page) return callback(std::move(page).error());
    for (Alarm& alarm : page->alarms) alarms.push_back(std::move(alarm));
    // A server that gives the same token again would never come to an end.
    if (page->next_token.empty() || page->next_token == token) return callback(std::move(alarms));
    token = std::move(page->next_token);
    ask();
  }
};

}  // namespace

net::CallHandle CloudWatch::describe_alarms(const std::vector<std::string>& names,
                                            Callback<std::vector<Alarm>> callback) {
  auto pages = std::make_shared<Pages>(client_, names, std::move(callback));
  pages->ask();
  return net::CallHandle([weak = std::weak_ptr(pages)] {
    if (const auto held = weak.lock()) held->under_way.cancel();
  });
}

}  // namespace switchgear::aws
