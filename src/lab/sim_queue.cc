#include "lab/sim_queue.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lab/local_clocks.h"

namespace switchgear::lab {

namespace {

std::uint64_t number_of(const std::string& receipt_handle) {
  std::uint64_t n = 0;
  std::from_chars(receipt_handle.data(), receipt_handle.data() + receipt_handle.size(), n);
  return n;
}

WallTime wall(TrueTime t) { return WallTime{kEpochStart + t}; }

}  // namespace

queue::QueueAttributes SimQueue::attributes() const {
  return {.arn = "arn:aws:sqs:local:000000000000:orders",
          .redrive = queue::RedrivePolicy{.max_receive_count = options_.max_receive_count,
                                          .dead_letter_arn = "arn:aws:sqs:local:000000000000:dlq"},
          .visibility_timeout = std::chrono::seconds{30},
          .retention = options_.retention,
          .fifo = false};
}

void SimQueue::send() {
  const std::uint64_t id = ++sent_;
  messages_[id] = Stored{.sent = scheduler_.now()};
  visible_.push_back(id);
  serve_polls();
}

std::vector<queue::Message> SimQueue::take(int max, std::chrono::seconds visibility) {
  std::vector<queue::Message> taken;
  while (static_cast<int>(taken.size()) < max && !visible_.empty()) {
    const std::uint64_t id = visible_.front();
    visible_.pop_front();
    const auto found = messages_.find(id);
    if (found == messages_.end()) continue;
    Stored& m = found->second;
    if (scheduler_.now() - m.sent >= options_.retention) {
      ++expired_;
      messages_.erase(found);
      continue;
    }
    if (m.receive_count >= options_.max_receive_count) {
      ++dead_lettered_;
      messages_.erase(found);
      continue;
    }
    const bool first = ++m.receive_count == 1;
    if (first) m.first_received = scheduler_.now();
    receipts_.erase(m.receipt);
    m.receipt = next_receipt_++;
    receipts_[m.receipt] = id;
    queue::Message message;
    message.id = std::to_string(id);
    message.receipt_handle = std::to_string(m.receipt);
    message.receive_count = m.receive_count;
    message.sent = wall(m.sent);
    message.first_received = wall(m.first_received);
    taken.push_back(std::move(message));
    hide(id, visibility);
    if (first && options_.again_after > 0s) {
      scheduler_.after(options_.again_after, [this, id] {
        if (!messages_.contains(id)) return;
        visible_.push_back(id);
        serve_polls();
      });
    }
  }
  return taken;
}

void SimQueue::hide(std::uint64_t message, std::chrono::seconds visibility) {
  const std::uint64_t hiding = ++messages_[message].hiding;
  scheduler_.after(visibility, [this, message, hiding] {
    const auto found = messages_.find(message);
    if (found == messages_.end() || found->second.hiding != hiding) return;
    visible_.push_back(message);
    serve_polls();
  });
}

void SimQueue::answer(Poll poll) {
  auto messages = take(poll.max, poll.visibility);
  scheduler_.after(options_.latency,
                   [received = std::move(poll.received), messages = std::move(messages)]() mutable {
                     received(std::move(messages));
                   });
}

void SimQueue::serve_polls() {
  while (!polls_.empty() && !visible_.empty()) {
    Poll poll = std::move(polls_.front());
    polls_.pop_front();
    answer(std::move(poll));
  }
}

void SimQueue::receive(int max, std::chrono::seconds wait, std::chrono::seconds visibility,
                       Received received) {
  ++receives_;
  Poll poll{
      .id = next_poll_++, .max = max, .visibility = visibility, .received = std::move(received)};
  scheduler_.after(options_.latency, [this, wait, poll = std::move(poll)]() mutable {
    if (!visible_.empty() || wait == std::chrono::seconds{0}) return answer(std::move(poll));
    scheduler_.after(wait, [this, id = poll.id] {
      const auto found =
          std::find_if(polls_.begin(), polls_.end(), [&](const Poll& p) { return p.id == id; });
      if (found == polls_.end()) return;
      Poll over = std::move(*found);
      polls_.erase(found);
      answer(std::move(over));
    });
    polls_.push_back(std::move(poll));
  });
}

void SimQueue::remove(const std::string& receipt_handle) {
  const auto found = receipts_.find(number_of(receipt_handle));
  if (found == receipts_.end()) return;
  removed_ += messages_.erase(found->second);
  receipts_.erase(found);
}

void SimQueue::change_visibility(const std::string& receipt_handle,
                                 std::chrono::seconds visibility) {
  const auto found = receipts_.find(number_of(receipt_handle));
  if (found == receipts_.end() || !messages_.contains(found->second)) return;
  hide(found->second, visibility);
}

}  // namespace switchgear::lab
