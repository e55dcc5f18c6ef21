#include "cli/worker_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace switchgear::cli {
namespace {

using testing::HasSubstr;

class WorkerSetup : public testing::Test {
 protected:
  net::Loop loop_;
  std::ostringstream out_, err_;
  Context context_{
      .out = out_,
      .err = err_,
      .environment = {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"}, {"AWS_SECRET_ACCESS_KEY", "secret"}}};
  config::Config config_ = [] {
    config::Config config;
    config.worker.queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders";
    config.worker.handler = "http://127.0.0.1:8080/orders";
    return config;
  }();
  Problems problems_;
};

TEST(WorkerOptions, HaveTheSameDefaultsInTheConfigurationAndInTheWorker) {
  EXPECT_EQ(worker_options(config::WorkerSettings{}), worker::WorkerOptions{});
}

TEST_F(WorkerSetup, TakesEverySettingOver) {
  config::WorkerSettings settings{.queue = "q",
                                  .handler = "h",
                                  .circuit = "c",
                                  .concurrency = 1,
                                  .handler_timeout = 2s,
                                  .backoff = {.base = 3s, .cap = 4s, .jitter = core::Jitter::none},
                                  .retry_after_max = 5s,
                                  .shutdown_grace = 6s,
                                  .receive_wait = 7s,
                                  .receives_max = 8,
                                  .visibility_margin = 9s,
                                  .start_without_store = true,
                                  .listen = "127.0.0.1:9"};
  const worker::WorkerOptions options = worker_options(settings);
  EXPECT_EQ(options.queue_url, "q");
  EXPECT_EQ(options.handler_url, "h");
  EXPECT_EQ(options.circuit, "c");
  EXPECT_EQ(options.listen, "127.0.0.1:9");
  EXPECT_TRUE(options.start_without_store);
  EXPECT_EQ(options.consumer.concurrency, 1);
  EXPECT_EQ(options.consumer.handler_timeout, Duration(2s));
  EXPECT_EQ(options.consumer.backoff, settings.backoff);
  EXPECT_EQ(options.consumer.retry_after_max, Duration(5s));
  EXPECT_EQ(options.consumer.shutdown_grace, Duration(6s));
  EXPECT_EQ(options.consumer.receive_wait, std::chrono::seconds(7));
  EXPECT_EQ(options.consumer.receives_max, 8);
  EXPECT_EQ(options.consumer.visibility_margin, Duration(9s));
}

TEST_F(WorkerSetup, HasTheQueuesRegionAndTheCircuitsPolicy) {
  config_.worker.circuit = "a";
  config_.circuits["a"].probes = 3;
  const auto setup = worker_setup(loop_, context_, config_, {}, problems_);
  ASSERT_TRUE(setup) << config::text(problems_);
  EXPECT_EQ(setup->access.endpoint.region, "eu-central-1");
  EXPECT_EQ(setup->policy.probes, 3);
}

TEST_F(WorkerSetup, NamesAllThatIsMissingAtOnce) {
  config_.worker.queue.clear();
  config_.worker.handler.clear();
  EXPECT_FALSE(worker_setup(loop_, context_, config_, {}, problems_));
  const std::string text = config::text(problems_);
  EXPECT_THAT(text, HasSubstr("worker.queue: is missing; write --queue URL, set "
                              "SWITCHGEAR_WORKER_QUEUE"));
  EXPECT_THAT(text, HasSubstr("worker.handler: is missing"));
}

TEST_F(WorkerSetup, WantsWholeCredentials) {
  context_.environment = {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"}};
  EXPECT_FALSE(worker_setup(loop_, context_, config_, {}, problems_));
  EXPECT_THAT(config::text(problems_), HasSubstr("AWS_SECRET_ACCESS_KEY not set"));
}

TEST_F(WorkerSetup, NamesAProfileThatDoesNotExist) {
  context_.aws_profile = "nobody";
  EXPECT_FALSE(worker_setup(loop_, context_, config_, {}, problems_));
  EXPECT_THAT(config::text(problems_), HasSubstr("no profile 'nobody', which --profile names"));
}

}  // namespace
}  // namespace switchgear::cli
