#include "worker/handler_request.h"

#include <gtest/gtest.h>

namespace switchgear::worker {
namespace {

queue::Message order() {
  queue::Message message;
  message.id = "5fea7756-0ea4-451a-a703-a558b933e274";
  message.body = "{\"order\": 7}\n\x01 as it is";
  message.receive_count = 3;
  message.first_received = WallTime(1'700'000'000s);
  return message;
}

net::HttpRequest request(const queue::Message& message,
                         const std::string& url = "http://127.0.0.1:8080/orders?x=1") {
  return handler_request(*net::parse_url(url), "orders", message).request;
}

TEST(HandlerRequest, FollowsTheConventionOfAwsSqsd) {
  const net::HttpRequest r = request(order());
  EXPECT_EQ(r.method, "POST");
  EXPECT_EQ(r.target, "/orders?x=1");
  EXPECT_EQ(r.body, order().body);
  EXPECT_EQ(r.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(r.headers.get("X-Aws-Sqsd-Msgid"), "5fea7756-0ea4-451a-a703-a558b933e274");
  EXPECT_EQ(r.headers.get("X-Aws-Sqsd-Receive-Count"), "3");
  EXPECT_EQ(r.headers.get("X-Aws-Sqsd-Queue"), "orders");
  EXPECT_EQ(r.headers.get("X-Aws-Sqsd-First-Received-At"), "2023-11-14T22:13:20Z");
}

TEST(HandlerRequest, CarriesAttributesAsHeaders) {
  queue::Message message = order();
  message.attributes = {{"tenant", {"String", "blue"}}, {"weight", {"Number.int", "12"}}};
  const net::HttpRequest r = request(message);
  EXPECT_EQ(r.headers.get("X-Aws-Sqsd-Attr-tenant"), "blue");
  EXPECT_EQ(r.headers.get("X-Aws-Sqsd-Attr-weight"), "12");
}

TEST(HandlerRequest, LeavesOutWhatNoHeaderCanCarryAndCountsIt) {
  queue::Message message = order();
  message.attributes = {{"good", {"String", "yes"}},
                        {"split", {"String", "a\r\nX-Evil: 1"}},
                        {"huge", {"String", std::string(9'000, 'x')}},
                        {"raw", {"Binary", "abc"}},
                        {"na me", {"String", "x"}}};
  const HandlerRequest r = handler_request(*net::parse_url("http://h/"), "q", message);
  EXPECT_EQ(r.attributes_left_out, 4);
  EXPECT_FALSE(r.request.headers.has("X-Evil"));
  EXPECT_TRUE(r.request.headers.has("X-Aws-Sqsd-Attr-good"));
}

TEST(HandlerRequest, PassesTraceContextOn) {
  queue::Message message = order();
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  message.attributes = {{"traceparent", {"String", trace}}};
  EXPECT_EQ(request(message).headers.get("traceparent"), trace);
}

TEST(HandlerRequest, TakesTheContentTypeFromTheMessage) {
  queue::Message message = order();
  message.attributes = {{"Content-Type", {"String", "text/csv"}}};
  EXPECT_EQ(request(message).headers.get("Content-Type"), "text/csv");
}

TEST(HandlerRequest, TurnsUserAndPasswordIntoBasicAuthentication) {
  EXPECT_EQ(request(order(), "http://ann:s3cret@h/").headers.get("Authorization"),
            "Basic YW5uOnMzY3JldA==");
}

TEST(QueueName, IsTheLastPartOfTheUrl) {
  EXPECT_EQ(queue_name_of(*net::parse_url("https://sqs.eu-central-1.amazonaws.com/1234/orders")),
            "orders");
}

}  // namespace
}  // namespace switchgear::worker
