// Every SQS call of the client once, against a real server: sqs_call ENDPOINT QUEUE-NAME, with
// credentials and region from the environment. Prints what came back as one JSON object; ends with
// 1 at the first error, which goes to stderr.
#include <boost/json.hpp>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "aws/sqs.h"
#include "core/random.h"

namespace {

namespace json = boost::json;
namespace aws = switchgear::aws;
using switchgear::Result;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::cerr << result.error().text() << "\n";
  std::exit(1);
}

// Starts a call and runs the loop until its answer is there.
template <class T, class Start>
T wait(switchgear::net::Loop& loop, Start start) {
  std::optional<Result<T>> answer;
  start([&](Result<T> result) { answer = std::move(result); });
  if (!loop.run_until([&] { return answer.has_value(); }, std::chrono::seconds(60))) {
    std::cerr << "no answer\n";
    std::exit(1);
  }
  return must(*std::move(answer));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto environment = aws::process_environment();
  switchgear::net::Loop loop;
  switchgear::net::HttpClient http(loop);
  aws::AwsClient client(
      loop, http, must(aws::resolve_endpoint({.endpoint_url = argv[1]}, environment)),
      aws::fixed_credentials(must(aws::credentials_from_environment(environment))),
      switchgear::core::Random(1));
  aws::Sqs sqs(client);
  const std::chrono::seconds second{1};
  json::object out;

  const auto url = wait<std::string>(loop, [&](auto done) { sqs.get_queue_url(argv[2], done); });
  out["queue_url"] = url;
  const auto attributes = wait<std::map<std::string, std::string>>(
      loop, [&](auto done) { sqs.get_queue_attributes(url, {}, done); });
  out["attributes"] = json::value_from(attributes);

  const aws::OutgoingMessage first{.body = "first \"ä\"",
                                   .attributes = {{"kind", {"String", "letter"}},
                                                  {"raw", {"Binary", std::string("\0\xff", 2)}}}};
  out["sent"] = wait<std::string>(loop, [&](auto done) { sqs.send(url, first, done); });
  const auto batch = wait<aws::SendBatchResult>(
      loop, [&](auto done) { sqs.send_batch(url, {{.body = "second"}, {.body = "third"}}, done); });
  json::array batch_ids;
  for (const auto& id : batch.message_ids) batch_ids.emplace_back(must(id));
  out["sent_batch"] = std::move(batch_ids);

  json::array messages;
  std::vector<std::string> handles;
  while (handles.size() < 3) {
    const auto received = wait<aws::Received>(loop, [&](auto done) {
      sqs.receive(url, {.wait = second, .visibility = 60 * second}, done);
    });
    if (received.messages.empty()) {
      std::cerr << "a message is missing\n";
      return 1;
    }
    for (const aws::Message& message : received.messages) {
      handles.push_back(message.receipt_handle);
      json::object attribute_values;
      for (const auto& [name, attribute] : message.message_attributes) {
        attribute_values[name] =
            attribute.is_binary() ? std::to_string(attribute.value.size()) : attribute.value;
      }
      messages.push_back(
          json::object{{"id", message.id},
                       {"body", message.body},
                       {"receive_count", message.number("ApproximateReceiveCount").value_or(-1)},
                       {"sent_timestamp", message.number("SentTimestamp").value_or(-1)},
                       {"attributes", std::move(attribute_values)}});
    }
  }
  out["messages"] = std::move(messages);

  const auto changed = wait<aws::BatchResult>(loop, [&](auto done) {
    sqs.change_visibility_batch(url, {{handles[0], 30 * second}, {"no such handle", second}}, done);
  });
  json::array change_errors;
  for (const auto& error : changed.errors) change_errors.emplace_back(error ? error->code : "");
  out["change_errors"] = std::move(change_errors);
  const auto deleted =
      wait<aws::BatchResult>(loop, [&](auto done) { sqs.delete_batch(url, handles, done); });
  out["all_deleted"] = deleted.all_done();
  std::cout << json::serialize(out) << "\n";
}
