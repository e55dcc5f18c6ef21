// Carries out moves of messages between queues (queue/parking.h): one batch at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "aws/sqs.h"
#include "core/result.h"
#include "queue/parking.h"

namespace switchgear::controller {

// On the loop's thread. Callbacks never come after its end.
class Mover {
 public:
  using Done = std::function<void(const queue::MoveResult&)>;
  // Finds the URL of a queue by its ARN.
  using FindUrl =
      std::function<void(const std::string& arn, std::function<void(const Result<std::string>&)>)>;

  // `sqs` outlives it.
  Mover(aws::Sqs& sqs, FindUrl find_url) : sqs_(sqs), find_url_(std::move(find_url)) {}

  void park(const queue::ParkingRule& rule, Done done);
  // Messages that this circuit has parked, to where they came from.
  void give_back(const std::string& parking_arn, const std::string& circuit, Done done);

 private:
  struct Batch;
  using BatchPtr = std::shared_ptr<Batch>;
  void begin(const std::string& from_arn, queue::Move::Choose choose, Done done);
  void take(const BatchPtr& batch, const queue::Move::Step& step);
  void send(const BatchPtr& batch, const queue::Move::Send& send);
  // `fn`, unless this has ended meanwhile.
  template <class Fn>
  auto here(Fn fn) {
    return [fn, alive = std::weak_ptr(alive_)](auto&&... answer) {
      if (!alive.expired()) fn(std::forward<decltype(answer)>(answer)...);
    };
  }

  aws::Sqs& sqs_;
  const FindUrl find_url_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace switchgear::controller
