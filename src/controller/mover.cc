#include "controller/mover.h"

#include <utility>
#include <variant>
#include <vector>

namespace switchgear::controller {
namespace {

// Above 0 all servers of the queue are asked, so that nothing received means nothing there.
constexpr std::chrono::seconds kReceiveWait{2};

}  // namespace

struct Mover::Batch {
  std::string url;
  queue::Move move;
  Done done;
};

void Mover::park(const queue::ParkingRule& rule, Done done) {
  begin(
      rule.queue_arn,
      [rule](const queue::Message& message) { return queue::parked_copy(message, rule); },
      std::move(done));
}

void Mover::give_back(const std::string& parking_arn, const std::string& circuit, Done done) {
  begin(
      parking_arn,
      [circuit](const queue::Message& message) { return queue::returned_copy(message, circuit); },
      std::move(done));
}

void Mover::begin(const std::string& from_arn, queue::Move::Choose choose, Done done) {
  auto batch = std::make_shared<Batch>(Batch{"", queue::Move(std::move(choose)), std::move(done)});
  find_url_(from_arn, here([this, batch, from_arn](const Result<std::string>& url) {
              if (!url) {
                return batch->done({.trouble = "the queue " + from_arn +
                                               " cannot be found: " + url.error().text() +
                                               "; the controller needs sqs:GetQueueUrl"});
              }
              batch->url = *url;
              take(batch, queue::Move::start());
            }));
}

void Mover::take(const BatchPtr& batch, const queue::Move::Step& step) {
  if (const auto* receive = std::get_if<queue::Move::Receive>(&step)) {
    sqs_.receive(batch->url, {.wait = kReceiveWait, .visibility = receive->visibility},
                 here([this, batch](Result<aws::Received> received) {
                   if (!received) return take(batch, batch->move.received(received.error()));
                   std::vector<queue::Message> messages;
                   for (aws::Message& message : received->messages) {
                     messages.push_back(queue::message_of(std::move(message)));
                   }
                   take(batch, batch->move.received(std::move(messages), received->corrupt.size()));
                 }));
  } else if (const auto* sending = std::get_if<queue::Move::Send>(&step)) {
    send(batch, *sending);
  } else if (const auto* remove = std::get_if<queue::Move::Delete>(&step)) {
    sqs_.delete_batch(batch->url, remove->receipt_handles,
                      here([this, batch](const Result<aws::BatchResult>& result) {
                        take(batch, batch->move.deleted(result));
                      }));
  } else {
    batch->done(std::get<queue::MoveResult>(step));
  }
}

void Mover::send(const BatchPtr& batch, const queue::Move::Send& send) {
  find_url_(send.queue_arn,
            here([this, batch, messages = send.messages](const Result<std::string>& url) {
              if (!url) return take(batch, batch->move.sent(url.error()));
              sqs_.send_batch(*url, messages,
                              here([this, batch](const Result<aws::SendBatchResult>& result) {
                                take(batch, batch->move.sent(result));
                              }));
            }));
}

}  // namespace switchgear::controller
