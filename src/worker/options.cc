#include "worker/options.h"

#include <algorithm>

#include "net/url.h"

namespace switchgear::worker {
namespace {

void check(Problems& problems, bool good, std::string place, std::string message) {
  if (!good) problems.push_back({std::move(place), std::move(message)});
}

void check_url(Problems& problems, const std::string& text, const std::string& place,
               const std::string& example) {
  if (text.empty()) {
    problems.push_back({place, "is missing; write for example " + example});
    return;
  }
  const auto url = net::parse_url(text);
  if (!url) {
    problems.push_back({place, url.error().message});
  } else if (url->scheme != "http" && url->scheme != "https") {
    problems.push_back({place, "must begin with http:// or https://, like " + example});
  }
}

}  // namespace

Problems ConsumerOptions::validate() const {
  Problems problems;
  check(problems, concurrency >= 1 && concurrency <= 10'000, "concurrency",
        "must be from 1 to 10000");
  check(problems, handler_timeout >= 100ms && handler_timeout <= 11h, "handler_timeout",
        "must be from 100ms to 11h: SQS hides a message for 12 hours at most");
  for (Problem problem : backoff.validate()) {
    problem.place = "backoff." + problem.place;
    problems.push_back(std::move(problem));
  }
  check(problems, backoff.cap <= 43'195s, "backoff.cap",
        "must be at most 43195s: SQS hides a message for 12 hours at most");
  check(problems, retry_after_max >= 1s && retry_after_max <= 43'195s, "retry_after_max",
        "must be from 1s to 43195s");
  check(problems, shutdown_grace >= 0s && shutdown_grace <= 1h, "shutdown_grace",
        "must be from 0s to 1h");
  check(problems, receive_wait >= 0s && receive_wait <= 20s, "receive_wait",
        "must be from 0s to 20s, which is as long as SQS waits");
  check(problems, receives_max >= 1 && receives_max <= 100, "receives_max",
        "must be from 1 to 100");
  check(problems, visibility_margin >= 5s && visibility_margin <= 10min, "visibility_margin",
        "must be from 5s to 10m");
  check(problems, batch_linger >= 0s && batch_linger <= 1s, "batch_linger",
        "must be from 0s to 1s");
  check(problems, attributes_interval >= 1s, "attributes_interval", "must be at least 1s");
  return problems;
}

Problems WorkerOptions::validate() const {
  Problems problems;
  check_url(problems, queue_url, "queue",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/orders");
  check_url(problems, handler_url, "handler", "http://127.0.0.1:8080/orders");
  for (Problem& problem : consumer.validate()) problems.push_back(std::move(problem));
  check(problems, store_patience >= 0s && store_patience <= 5min, "store_patience",
        "must be from 0s to 5m");
  return problems;
}

}  // namespace switchgear::worker
