// The whole worker on one loop, with a queue and a handler that speak HTTP on this machine. The
// queue knows just enough of SQS; servers that others wrote are used in tests/.
#include "worker/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <deque>
#include <set>
#include <sstream>

#include "net/http_server.h"
#include "stores/memory_store.h"
#include "stores/open.h"

namespace switchgear::worker {
namespace {

using ::testing::HasSubstr;
namespace json = boost::json;

class SmallQueue {
 public:
  explicit SmallQueue(net::Loop& loop) : loop_(loop) {
    auto started =
        net::HttpServer::start(loop, {}, [this](const net::HttpRequest& r, net::Responder respond) {
          answer(r, std::move(respond));
        });
    server_ = std::move(started.value());
  }
  std::string url() const { return server_->url(); }
  std::string queue_url() const { return url() + "/000000000000/orders"; }
  void send(const std::string& id) { waiting.push_back(id); }

  std::deque<std::string> waiting;
  std::set<std::string> deleted;
  std::map<std::string, int> hidden;  // by message, seconds
  std::string attributes = R"({"Attributes":{"VisibilityTimeout":"30",
      "RedrivePolicy":"{\"maxReceiveCount\":\"5\"}"}})";
  std::string error;  // answered to everything

 private:
  void answer(const net::HttpRequest& request, net::Responder respond) {
    net::HttpResponse response;
    response.headers.set("x-amzn-RequestId", "request-1");
    if (!error.empty()) {
      response.status = 400;
      response.body = error;
      return respond(response);
    }
    const json::value body = json::parse(request.body);
    const std::string target(request.headers.get("X-Amz-Target").value_or(""));
    json::object out;
    if (target.ends_with("GetQueueAttributes")) {
      response.body = attributes;
      return respond(response);
    }
    if (target.ends_with("ReceiveMessage")) {
      return receive(static_cast<int>(body.at("MaxNumberOfMessages").as_int64()),
                     static_cast<int>(body.at("WaitTimeSeconds").as_int64()), std::move(respond));
    }
    json::array done;
    for (const json::value& entry : body.at("Entries").as_array()) {
      const std::string id(entry.at("ReceiptHandle").as_string().c_str());
      if (target.ends_with("DeleteMessageBatch")) {
        deleted.insert(id);
      } else {
        hidden[id] = static_cast<int>(entry.at("VisibilityTimeout").as_int64());
      }
      done.push_back(json::object{{"Id", entry.at("Id")}});
    }
    out["Successful"] = done;
    out["Failed"] = json::array{};
    response.body = json::serialize(out);
    respond(response);
  }
  void receive(int max, int wait, net::Responder respond) {
    json::object out;
    json::array messages;
    while (!waiting.empty() && static_cast<int>(messages.size()) < max) {
      messages.push_back(
          json::object{{"MessageId", waiting.front()},
                       {"ReceiptHandle", waiting.front()},
                       {"Body", "{}"},
                       {"MD5OfBody", "99914b932bd37a50b983c5e7c90ae93b"},
                       {"Attributes", json::object{{"ApproximateReceiveCount", "1"}}}});
      waiting.pop_front();
    }
    if (messages.empty() && wait > 0) {  // looks again soon, like a long poll
      timers_.push_back(loop_.call_after(20ms, [this, max, wait, respond = std::move(respond)] {
        receive(max, waiting.empty() && ++looks_ % 40 == 0 ? 0 : wait, respond);
      }));
      return;
    }
    if (!messages.empty()) out["Messages"] = messages;
    net::HttpResponse response;
    response.body = json::serialize(out);
    respond(response);
  }

  net::Loop& loop_;
  std::unique_ptr<net::HttpServer> server_;
  std::deque<net::Timer> timers_;
  int looks_ = 0;
};

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() {
    auto started = net::HttpServer::start(
        loop, {}, [this](const net::HttpRequest& r, const net::Responder& respond) {
          requests.push_back(r);
          if (hang) {
            held.push_back(respond);
          } else {
            respond({.status = status, .headers = {}, .body = ""});
          }
        });
    handler = std::move(started.value());
    options.queue_url = queue.queue_url();
    options.handler_url = handler->url() + "/orders";
    options.circuit = "payments";
    options.consumer.concurrency = 5;
    options.consumer.handler_timeout = 2s;
    options.consumer.shutdown_grace = 1s;
    options.store_patience = 300ms;
    policy.open_duration = 500ms;
    policy.max_open_duration = 500ms;
    policy.recovery_quiet_duration = 1s;
    policy.recovery_step = 1s;
  }
  void make(const std::string& store = "memory:") {
    setup.emplace();
    setup->options = options;
    setup->policy = policy;
    auto opened = stores::open_store(loop, store);
    ASSERT_TRUE(opened) << opened.error().text();
    setup->store = std::move(*opened);
    store_in_use = setup->store.get();
    setup->access.endpoint = aws::Endpoint{.url = *net::parse_url(queue.url()),
                                           .region = "eu-central-1",
                                           .service = "sqs",
                                           .custom = true};
    setup->access.credentials =
        aws::fixed_credentials({.access_key_id = "AKIDEXAMPLE", .secret_access_key = "secret"});
    worker.emplace(loop, std::move(*setup), log);
  }
  bool until(const std::function<bool()>& done) { return loop.run_until(done, 20s); }

  net::Loop loop;
  SmallQueue queue{loop};
  std::unique_ptr<net::HttpServer> handler;
  std::vector<net::HttpRequest> requests;
  std::vector<net::Responder> held;
  int status = 200;
  bool hang = false;
  WorkerOptions options;
  Policy policy;
  std::ostringstream lines;
  ops::Log log{{}, lines};
  std::optional<WorkerSetup> setup;
  stores::Store* store_in_use = nullptr;
  std::optional<Worker> worker;
};

TEST_F(WorkerTest, CallsTheHandlerForEachMessageAndDeletesIt) {
  make();
  for (int i = 0; i < 30; i++) queue.send("m" + std::to_string(i));
  ASSERT_FALSE(worker->start());
  EXPECT_TRUE(until([&] { return queue.deleted.size() == 30; }));
  EXPECT_EQ(requests.size(), 30u);
  EXPECT_EQ(requests[0].target, "/orders");
  EXPECT_EQ(requests[0].headers.get("X-Aws-Sqsd-Queue"), "orders");
  EXPECT_EQ(requests[0].body, "{}");
  EXPECT_THAT(std::string(requests[0].headers.get("User-Agent").value_or("")),
              HasSubstr("aws-sqsd"));
}

TEST_F(WorkerTest, WorksWithoutACircuit) {
  options.circuit = "";
  make();
  queue.send("m");
  ASSERT_FALSE(worker->start());
  EXPECT_TRUE(until([&] { return queue.deleted.size() == 1; }));
}

TEST_F(WorkerTest, PausesWhenTheHandlerFailsAndDrainsWhenItIsWellAgain) {
  make();
  status = 503;
  // More than can fail before the circuit opens, however fast this machine is.
  for (int i = 0; i < 2'000; i++) queue.send("m" + std::to_string(i));
  ASSERT_FALSE(worker->start());
  ASSERT_TRUE(
      until([&] { return lines.str().find("paused: nothing is received") != std::string::npos; }));
  EXPECT_TRUE(queue.deleted.empty());
  EXPECT_FALSE(queue.waiting.empty()) << "the rest stays in the queue";
  EXPECT_THAT(lines.str(), HasSubstr("cause=\"failure_rate"));
  EXPECT_THAT(lines.str(), HasSubstr("next_probe_at="));
  EXPECT_THAT(lines.str(), HasSubstr("circuit CLOSED -> OPEN"));
  status = 200;
  // What failed before stays hidden; all the rest is done.
  EXPECT_TRUE(until([&] { return queue.deleted.size() + queue.hidden.size() == 2'000; }))
      << queue.deleted.size() << " done, " << queue.hidden.size() << " hidden\n"
      << lines.str();
  EXPECT_THAT(lines.str(), HasSubstr("resumed"));
}

TEST_F(WorkerTest, AHangingHandlerIsAnOverload) {
  options.consumer.handler_timeout = 200ms;
  hang = true;
  make();
  queue.send("m");
  ASSERT_FALSE(worker->start());
  EXPECT_TRUE(until([&] { return queue.hidden.contains("m"); }));
  EXPECT_EQ(worker->consumer().counters().timeouts, 1u);
  EXPECT_EQ(worker->consumer().counters().outcomes[static_cast<int>(Outcome::overload)], 1u);
}

TEST_F(WorkerTest, StopsWithGraceAndGivesBackWhatHangs) {
  hang = true;
  make();
  queue.send("m");
  ASSERT_FALSE(worker->start());
  ASSERT_TRUE(until([&] { return worker->consumer().in_flight() == 1; }));
  options.consumer.shutdown_grace = 1s;
  worker->stop();
  EXPECT_TRUE(until([&] { return worker->finished(); }));
  EXPECT_TRUE(queue.deleted.empty());
  EXPECT_TRUE(queue.hidden.contains("m"));
  EXPECT_THAT(lines.str(), HasSubstr("stopped"));
}

TEST_F(WorkerTest, ServesMetricsAndHealth) {
  make();
  queue.send("m");
  ASSERT_FALSE(worker->start());
  ASSERT_TRUE(until([&] { return queue.deleted.size() == 1; }));
  const std::string text = worker->metrics_text();
  EXPECT_THAT(text, HasSubstr("switchgear_circuit_state{circuit=\"payments\",state=\"CLOSED\"} 1"));
  EXPECT_THAT(text, HasSubstr("switchgear_source_paused{source=\"orders\"} 0"));
  EXPECT_THAT(text, HasSubstr("switchgear_worker_received_total{source=\"orders\"} 1"));
  EXPECT_THAT(worker->ops_url(), HasSubstr("http://127.0.0.1:"));
}

TEST_F(WorkerTest, SaysThatTheFleetGoesByOtherSettings) {
  policy.view_refresh = 50ms;
  make();
  auto& cell = dynamic_cast<stores::MemoryStore&>(*store_in_use).table().cells()["payments"];
  ASSERT_FALSE(worker->start());
  queue.send("m");
  ASSERT_TRUE(until([&] { return queue.deleted.size() == 1 && !cell.fields.empty(); }));
  for (auto& [name, value] : cell.fields) {
    if (name == "fp") value = "feedfacefeedface";
  }
  EXPECT_TRUE(until([&] {
    if (queue.waiting.empty()) queue.send("m");
    return lines.str().find("feedfacefeedface") != std::string::npos;
  }));
  EXPECT_THAT(lines.str(), HasSubstr("give the circuit the same settings"));
  EXPECT_THAT(worker->metrics_text(),
              HasSubstr("switchgear_settings_mismatch{circuit=\"payments\"} 1\n"));
}

TEST_F(WorkerTest, SaysThatTheQueueDoesNotExist) {
  make();
  queue.error = R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"})";
  const auto failure = worker->start();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->exit_code, kExitFailed);
  EXPECT_EQ(failure->error.code, "QueueDoesNotExist");
  EXPECT_THAT(failure->error.text(), HasSubstr(queue.queue_url()));
  EXPECT_THAT(failure->error.text(), HasSubstr("request-1"));
}

TEST_F(WorkerTest, RefusesAFifoQueue) {
  make();
  queue.attributes = R"({"Attributes":{"FifoQueue":"true"}})";
  const auto failure = worker->start();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->exit_code, kExitUsage);
}

// A port of this machine at which nobody listens.
std::string dead_store(net::Loop& loop) {
  const auto server =
      net::HttpServer::start(loop, {}, [](const net::HttpRequest&, const net::Responder&) {});
  return "redis://127.0.0.1:" + std::to_string((*server)->port());
}

TEST_F(WorkerTest, DoesNotStartWithoutItsStore) {
  make(dead_store(loop));
  const auto failure = worker->start();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->exit_code, kExitStoreUnreachable);
  EXPECT_THAT(failure->error.text(), HasSubstr("--start-without-store"));
}

TEST_F(WorkerTest, StartsWithoutItsStoreIfToldToAndSaysSo) {
  options.start_without_store = true;
  make(dead_store(loop));
  queue.send("m");
  ASSERT_FALSE(worker->start());
  EXPECT_TRUE(until([&] { return queue.deleted.size() == 1; }));
  EXPECT_THAT(lines.str(), HasSubstr("local guard"));
}

}  // namespace
}  // namespace switchgear::worker
