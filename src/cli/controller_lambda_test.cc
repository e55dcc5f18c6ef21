#include "cli/controller_lambda.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <sstream>
#include <thread>

#include "net/clocks.h"
#include "net/http_server.h"

namespace switchgear::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             net::read_clocks().wall.time_since_epoch())
      .count();
}

// A scripted stand-in for Lambda's Runtime API, as its documentation has it: starts one after the
// other, each to be answered before the next; then it is gone (500).
class Runtime {
 public:
  explicit Runtime(std::vector<Duration> time_left) : time_left_(std::move(time_left)) {
    server_ = *net::HttpServer::start(
        loop_, {}, [this](const net::HttpRequest& request, const net::Responder& respond) {
          const std::scoped_lock lock(mutex_);
          respond(answer(request));
        });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Runtime() {
    loop_.stop();
    thread_.join();
  }

  Context context(const std::string& suffix = "") {
    return {.out = out,
            .err = err,
            .environment = {{"AWS_LAMBDA_RUNTIME_API",
                             "127.0.0.1:" + std::to_string(server_->port()) + suffix}}};
  }
  // "POST /2018-06-01/… {}"
  std::vector<std::string> requests() {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }

  std::ostringstream out, err;

 private:
  net::HttpResponse answer(const net::HttpRequest& request) {
    requests_.push_back(request.method + " " + request.target +
                        (request.body.empty() ? "" : " " + request.body));
    if (request.method == "POST") return {.status = 202, .body = R"({"status":"OK"})"};
    if (given_ == time_left_.size()) return {.status = 500, .body = "gone"};
    const std::int64_t left =
        std::chrono::duration_cast<std::chrono::milliseconds>(time_left_[given_]).count();
    ++given_;
    return {.status = 200,
            .headers = {{"Lambda-Runtime-Aws-Request-Id", "id-" + std::to_string(given_)},
                        {"Lambda-Runtime-Deadline-Ms", std::to_string(wall_ms() + left)}},
            .body = R"({"source":"aws.events"})"};
  }

  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::size_t given_ = 0;
  const std::vector<Duration> time_left_;
  net::Loop loop_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

constexpr const char* kNext = "GET /2018-06-01/runtime/invocation/next";

TEST(ControllerLambda, TakesOneStartAfterTheOtherAndAnswersEach) {
  Runtime runtime({65s, 65s});
  Context context = runtime.context();
  int turns = 0;
  EXPECT_EQ(serve_lambda(context, kLambdaTurnMax,
                         [&](Duration) {
                           ++turns;
                           return kDone;
                         }),
            kFailed);
  EXPECT_EQ(turns, 2);
  EXPECT_THAT(runtime.requests(),
              ElementsAre(kNext, "POST /2018-06-01/runtime/invocation/id-1/response {}", kNext,
                          "POST /2018-06-01/runtime/invocation/id-2/response {}", kNext));
  EXPECT_THAT(runtime.err.str(), HasSubstr("500 gone"));
}

TEST(ControllerLambda, WorksAsLongAsTheTimeOutOfTheFunctionLeaves) {
  Runtime runtime({900s, 30s});
  Context context = runtime.context();
  std::vector<Duration> turns;
  serve_lambda(context, kLambdaTurnMax, [&](Duration run_for) {
    turns.push_back(run_for);
    return kDone;
  });
  ASSERT_EQ(turns.size(), 2U);
  EXPECT_EQ(turns[0], kLambdaTurnMax);
  EXPECT_LE(turns[1], 20s);
  EXPECT_GT(turns[1], 15s);
}

TEST(ControllerLambda, ReportsATurnThatFailed) {
  Runtime runtime({65s});
  Context context = runtime.context();
  serve_lambda(context, kLambdaTurnMax, [](Duration) { return kUsage; });
  ASSERT_EQ(runtime.requests().size(), 3U);
  EXPECT_THAT(runtime.requests()[1], HasSubstr("/id-1/error"));
  EXPECT_THAT(runtime.requests()[1], HasSubstr("exit code 2"));
}

TEST(ControllerLambda, RefusesAStartThatLeavesNoTimeForATurn) {
  Runtime runtime({5s});
  Context context = runtime.context();
  serve_lambda(context, kLambdaTurnMax, [](Duration) -> int {
    ADD_FAILURE() << "there is no time";
    return kDone;
  });
  ASSERT_EQ(runtime.requests().size(), 3U);
  EXPECT_THAT(runtime.requests()[1], HasSubstr("/id-1/error"));
  EXPECT_THAT(runtime.requests()[1], HasSubstr("time-out leaves no time"));
}

TEST(ControllerLambda, KeepsThePathOfTheRuntimeApi) {
  Runtime runtime({});
  Context context = runtime.context("/_runtime/f");
  serve_lambda(context, kLambdaTurnMax, [](Duration) { return kDone; });
  EXPECT_THAT(runtime.requests(),
              ElementsAre("GET /_runtime/f/2018-06-01/runtime/invocation/next"));
}

TEST(ControllerLambda, IsTheSubcommandThatTheHandlerNames) {
  std::ostringstream out, err;
  const Context lambda{
      .out = out,
      .err = err,
      .environment = {{"AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"}, {"_HANDLER", "controller"}}};
  EXPECT_THAT(lambda_arguments(lambda, "/var/task/bootstrap", {}),
              ElementsAre("controller", "--lambda"));
  EXPECT_THAT(lambda_arguments(lambda, "/var/task/bootstrap", {"version"}), ElementsAre("version"));
  EXPECT_THAT(lambda_arguments(lambda, "/opt/bin/switchgear", {}), IsEmpty());
  const Context shell{.out = out, .err = err, .environment = {{"_HANDLER", "controller"}}};
  EXPECT_THAT(lambda_arguments(shell, "./bootstrap", {}), IsEmpty());
}

}  // namespace
}  // namespace switchgear::cli
