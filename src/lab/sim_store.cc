#include "lab/sim_store.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>

namespace switchgear::lab {

namespace {
// The operation that only looks: reads change nothing.
const fleet::Operation kRead = fleet::ReadOp{};
}  // namespace

Duration SimStore::one_way() {
  const double unit = -std::log(1 - random_.unit());
  Duration delay = network.latency_min + network.slow +
                   std::chrono::duration_cast<Duration>(network.latency_mean * unit);
  if (network.late > 0 && random_.chance(network.late)) {
    delay += std::chrono::duration_cast<Duration>(network.late_by * random_.unit());
  }
  return delay;
}

bool SimStore::reachable(int process) const {
  return !network.down && std::find(cut_off.begin(), cut_off.end(), process) == cut_off.end();
}

fleet::Answer SimStore::execute(int process, const fleet::Operation& operation) {
  ++operations;
  writes += !std::holds_alternative<fleet::ReadOp>(operation);
  fleet::Answer answer = execute_with ? execute_with(table_, kCircuit, operation, time())
                                      : table_.execute(kCircuit, operation, time());
  if (history_ > 0s && !std::holds_alternative<fleet::ReadOp>(operation)) remember();
  if (on_step) on_step(process, operation, answer);
  return answer;
}

void SimStore::keep_history(Duration length) {
  history_ = length;
  remember();
}

void SimStore::remember() {
  past_.emplace_back(scheduler_.now(), table_.cells());
  // The last state from before the time that is kept is the one that held when it began.
  while (past_.size() > 1 && past_[1].first <= scheduler_.now() - history_) past_.pop_front();
}

SimStore::Cells SimStore::as_of(TrueTime when) {
  const auto later = std::find_if(past_.begin(), past_.end(),
                                  [&](const auto& state) { return state.first > when; });
  if (past_.empty()) return table_.cells();
  // What was there before it began to be kept is not known: the oldest that is.
  return later == past_.begin() ? past_.front().second : std::prev(later)->second;
}

fleet::Answer SimStore::read_past(Duration ago) {
  ++operations;
  stores::MemoryTable past;
  past.cells() = as_of(scheduler_.now() - ago);
  return past.execute(kCircuit, kRead, time());
}

void SimStore::fail_over(Duration lost) {
  table_.cells() = as_of(scheduler_.now() - lost);
  past_.clear();
  remember();
}

fleet::Snapshot SimStore::snapshot() { return table_.execute(kCircuit, kRead, time()).snapshot; }

bool SimStore::throttles(bool read) {
  const auto hits = [this](double share) { return share > 0 && random_.chance(share); };
  const std::int64_t second = scheduler_.now() / 1s;
  if (second != second_) in_second_ = 0;
  second_ = second;
  ++in_second_;
  const int most = network.operations_per_second_max;
  return (most > 0 && in_second_ > most) || hits(network.throttled) ||
         (read && hits(network.throttled_reads));
}

void SimStore::arrive(int process, const fleet::Operation& operation,
                      const Once<fleet::Answer>& done) {
  if (!reachable(process)) return;
  const bool read = std::holds_alternative<fleet::ReadOp>(operation);
  if (throttles(read)) {
    ++throttled;
    return reply<fleet::Answer>(process, tl::unexpected(fleet::NoAnswer::throttled), done);
  }
  const bool stale = network.stale_reads > 0 && read && random_.chance(network.stale_reads);
  fleet::Answer answer =
      stale ? read_past(std::chrono::duration_cast<Duration>(network.stale_by * random_.unit()))
            : execute(process, operation);
  if (random_.chance(network.lost_reply)) return;
  if (loses_reply && loses_reply(process, operation)) return;
  reply<fleet::Answer>(process, std::move(answer), done);
}

void SimStore::arrive_note(int process, const std::optional<std::uint64_t>& expected,
                           const std::string& text, const Once<stores::NoteAnswer>& done) {
  if (!reachable(process)) return;
  if (throttles(!expected)) {
    ++throttled;
    return reply<stores::NoteAnswer>(process, tl::unexpected(fleet::NoAnswer::throttled), done);
  }
  ++operations;
  writes += expected.has_value();
  stores::NoteAnswer answer = expected ? table_.write_note(kCircuit, *expected, text, time())
                                       : table_.read_note(kCircuit, time());
  if (history_ > 0s && answer.written) remember();
  if (random_.chance(network.lost_reply)) return;
  reply<stores::NoteAnswer>(process, std::move(answer), done);
}

template <class T>
void SimStore::reply(int process, tl::expected<T, fleet::NoAnswer> answer, Once<T> done) {
  scheduler_.after(one_way(), [this, process, done = std::move(done), answer = std::move(answer)] {
    if (!*done || !reachable(process)) return;
    std::exchange(*done, nullptr)(answer);
  });
}

void SimStore::send(int process, const fleet::Operation& operation, Done done) {
  transmit<fleet::Answer>(process, std::move(done), [this, process, operation](const auto& once) {
    arrive(process, operation, once);
  });
}

void SimStore::read_note(int process, NoteDone done) {
  transmit<stores::NoteAnswer>(process, std::move(done), [this, process](const auto& once) {
    arrive_note(process, std::nullopt, {}, once);
  });
}

void SimStore::write_note(int process, std::uint64_t expected, const std::string& text,
                          NoteDone done) {
  transmit<stores::NoteAnswer>(process, std::move(done),
                               [this, process, expected, text](const auto& once) {
                                 arrive_note(process, expected, text, once);
                               });
}

template <class T>
void SimStore::transmit(int process, std::function<void(tl::expected<T, fleet::NoAnswer>)> done,
                        std::function<void(const Once<T>&)> arrive) {
  // Empty once it has been called.
  const auto once = std::make_shared<decltype(done)>(std::move(done));
  const auto lost = [once] {
    if (*once) std::exchange(*once, nullptr)(tl::unexpected(fleet::NoAnswer::lost));
  };
  if (!reachable(process) && network.refusing) {
    scheduler_.after(network.latency_min, lost);
    return;
  }
  scheduler_.after(timeout, lost);
  if (!random_.chance(network.lost_request)) {
    scheduler_.after(one_way(), [arrive, once] { arrive(once); });
  }
  if (random_.chance(network.repeated)) {
    const auto later = std::chrono::duration_cast<Duration>(network.late_by * random_.unit());
    scheduler_.after(one_way() + later, [arrive, once] { arrive(once); });
  }
}

}  // namespace switchgear::lab
