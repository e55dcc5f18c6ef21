#include "recorded_client.h"

#include <utility>

#include "net/clocks.h"

namespace switchgear::linearizability {

namespace {

using namespace fleet;

// What has gone unanswered for so long is not repeated; a report earlier than in fleet::Member, so
// that none is ever too old for the store.
constexpr Duration kRetryFor = 10s;
constexpr Duration kRetryReportFor = 5s;
// Of an epoch: stores keep more, so that none is ever forgotten.
constexpr std::size_t kReportsAtOnce = 20;
// Circuits start far from zero, as real ones do: an epoch is a time in milliseconds.
constexpr std::int64_t kFirstEpoch = 1'700'000'000'000;

MonoTime mono_now() { return net::read_clocks().mono; }

}  // namespace

RecordedClient::RecordedClient(net::Loop& loop, std::unique_ptr<stores::Store> store,
                               History& history, const Workload& workload, int number,
                               std::uint64_t seed)
    : loop_(loop),
      store_(std::move(store)),
      history_(history),
      workload_(workload),
      number_(number),
      random_(core::hash2(seed, static_cast<std::uint64_t>(number))) {}

void RecordedClient::start(std::function<void()> finished) {
  finished_ = std::move(finished);
  left_ = workload_.operations;
  next();
}

void RecordedClient::end() {
  if (to_read_.empty()) left_ = 0;
}

void RecordedClient::read_all(std::function<void()> finished) {
  finished_ = std::move(finished);
  left_ = workload_.circuits;
  for (int i = 0; i < workload_.circuits; ++i) to_read_.push_back("c" + std::to_string(i));
  next();
}

void RecordedClient::next() {
  if (workload_.pause == 0ms) return next_now();
  retry_timer_ = loop_.call_after(workload_.pause, [this] { next_now(); });
}

void RecordedClient::next_now() {
  if (left_ == 0) {
    auto finished = std::exchange(finished_, nullptr);
    return finished();
  }
  --left_;
  if (!to_read_.empty()) {
    const std::string circuit = to_read_.back();
    to_read_.pop_back();
    return begin(circuit, ReadOp{});
  }
  if (given_up_) {
    const HeldSlot held = *std::exchange(given_up_, std::nullopt);
    settling_.reset();
    return begin(held.circuit, settle(held));
  }
  if (settled_) {
    const HeldSlot late = *std::exchange(settled_, std::nullopt);
    return begin(late.circuit, late.claim);
  }
  const std::string circuit = random_circuit();
  if (!held_.empty() && random_.chance(0.35)) {
    const auto it = held_.begin() + static_cast<std::ptrdiff_t>(random_.below(held_.size()));
    const HeldSlot held = *it;
    if (random_.chance(0.3)) {  // a renewal; now and then one that says that its call begins
      ClaimOp renewal = held.claim;
      renewal.starts = random_.chance(0.5);
      renewal.seen = renewal.claim.owner();
      if (renewal.starts && random_.chance(0.5)) held_.erase(it);  // and never ends
      return begin(held.circuit, renewal);
    }
    held_.erase(it);
    settling_ = held;
    return begin(held.circuit, settle(held));
  }
  begin(circuit, random_operation(circuit));
}

// ---- One operation, repeated until it is answered ------------------------------------------

void RecordedClient::begin(const std::string& circuit, const Operation& operation) {
  const int id = number_ * 1'000'000 + operations_begun_++;
  pending_ = Pending{.attempt = {.client = number_,
                                 .operation_id = id,
                                 .attempt = 0,
                                 .circuit = circuit,
                                 .operation = operation,
                                 .call_ns = 0},
                     .first_sent = mono_now()};
  send();
}

void RecordedClient::send() {
  pending_->attempt.attempt++;
  pending_->attempt.call_ns = monotonic_ns();
  pending_->attempt.call_wall_ms = wall_ms();
  store_->execute(pending_->attempt.circuit, pending_->attempt.operation,
                  [this](const Result<Answer>& answer) { answered(answer); });
}

void RecordedClient::answered(const Result<Answer>& answer) {
  history_.add(pending_->attempt, answer);
  if (answer) {
    conclude(*answer);
    if (random_.chance(workload_.repeat)) return send();
    return next();
  }
  const bool lost = fate_of(answer) == Fate::lost;
  const bool claims = std::holds_alternative<ClaimOp>(pending_->attempt.operation);
  const bool reports = std::holds_alternative<ReportOp>(pending_->attempt.operation);
  const Duration retry_for = reports ? kRetryReportFor : kRetryFor;
  const bool reads =
      to_read_.empty() && left_ > 0 && std::holds_alternative<ReadOp>(pending_->attempt.operation);
  // A member gives a claim up once too little of its lease is left, and never repeats a read.
  if (lost &&
      (reads || (claims && random_.chance(0.2)) || mono_now() - pending_->first_sent > retry_for)) {
    give_up();
    if (reads) ++left_;  // another instead, or an outage would leave nothing to ask afterwards
    return next();
  }
  repeat_later();
}

void RecordedClient::repeat_later() {
  const auto wait = std::chrono::duration_cast<Duration>(5ms * random_.unit());
  retry_timer_ = loop_.call_after(wait, [this] { send(); });
}

void RecordedClient::give_up() {
  const auto* lost = std::get_if<ClaimOp>(&pending_->attempt.operation);
  if (lost == nullptr) return;
  std::erase_if(held_,
                [&](const HeldSlot& held) { return held.claim.claim.token == lost->claim.token; });
  given_up_ = HeldSlot{.circuit = pending_->attempt.circuit, .claim = *lost};
}

void RecordedClient::conclude(const Answer& answer) {
  const std::string& circuit = pending_->attempt.circuit;
  views_[circuit] = answer.snapshot;
  viewed_at_[circuit] = mono_now();
  const auto hold = [&](const ClaimOp& op) {
    for (const HeldSlot& held : held_) {
      if (held.claim.claim.token == op.claim.token) return;
    }
    held_.push_back({.circuit = circuit, .claim = op});
  };
  if (answer.status != Status::ok) return;
  // A claim that a slow network delivers once more, after the slot was given back.
  if (std::holds_alternative<SettleOp>(pending_->attempt.operation) && settling_ &&
      pending_->attempt.attempt == 1 && random_.chance(2 * workload_.repeat)) {
    settled_ = std::exchange(settling_, std::nullopt);
  }
  if (const auto* claim = std::get_if<ClaimOp>(&pending_->attempt.operation)) {
    if (!claim->starts) hold(*claim);
  } else if (const auto* swap = std::get_if<SwapOp>(&pending_->attempt.operation)) {
    if (swap->claim) hold(ClaimOp{.epoch = swap->next.epoch, .claim = *swap->claim});
  }
}

// ---- What to ask ----------------------------------------------------------------------------

std::string RecordedClient::random_circuit() {
  return "c" + std::to_string(random_.below(static_cast<std::uint64_t>(workload_.circuits)));
}

Operation RecordedClient::random_operation(const std::string& circuit) {
  const double what = random_.unit();
  if (!views_.contains(circuit) || what < 0.1) return ReadOp{};
  if (!views_[circuit].readable() || what < 0.35) return swap(circuit);
  if (what < 0.41 && views_[circuit].reports.size() < kReportsAtOnce) return report(circuit);
  return claim(circuit);
}

SlotClaim RecordedClient::random_claim() {
  const auto span =
      static_cast<std::uint64_t>((workload_.lease_max - workload_.lease_min).count() + 1);
  const auto lease = workload_.lease_min +
                     std::chrono::milliseconds(static_cast<std::int64_t>(random_.below(span)));
  return {.slot = static_cast<int>(random_.below(static_cast<std::uint64_t>(workload_.slots))),
          .holder = InstanceId{static_cast<std::uint64_t>(number_) + 1},
          .token = ++tokens_,
          .lease = lease};
}

Operation RecordedClient::claim(const std::string& circuit) {
  const Record& seen = *views_[circuit].readable();
  const SlotClaim claim = random_claim();
  return ClaimOp{.epoch = seen.epoch,
                 .claim = claim,
                 .seen = owner_of(seen.slots[static_cast<std::size_t>(claim.slot)])};
}

Operation RecordedClient::report(const std::string& circuit) {
  const Snapshot& seen = views_[circuit];
  return ReportOp{.epoch = seen.readable()->epoch,
                  .report = Report{.sent = seen.time + floor_ms(mono_now() - viewed_at_[circuit]),
                                   .instance = InstanceId{static_cast<std::uint64_t>(number_) + 1},
                                   .seq = ++reports_,
                                   .failures = 1},
                  .meter = {},
                  .step = std::nullopt};
}

Operation RecordedClient::settle(const HeldSlot& held) {
  const double how = random_.unit();
  const SlotClaim& claim = held.claim.claim;
  return SettleOp{.epoch = held.claim.epoch,
                  .slot = claim.slot,
                  .holder = claim.holder,
                  .token = claim.token,
                  .settlement = how < 0.5   ? Settlement::success
                                : how < 0.8 ? Settlement::failure
                                            : Settlement::returned};
}

Record RecordedClient::next_record(const Record* stored) {
  Record next = stored ? *stored : Record{};
  if (!stored) {
    next.incarnation = random_.next();
    next.epoch = kFirstEpoch;
  }
  if (stored && random_.chance(0.5)) next.epoch++;
  next.revision++;
  next.swap_id = random_.next();
  next.state = kStates[random_.below(kStates.size())];
  next.why = "written by client " + std::to_string(number_) + " as its operation " +
             std::to_string(operations_begun_);
  return next;
}

Operation RecordedClient::swap(const std::string& circuit) {
  const Snapshot& view = views_[circuit];
  const Record* stored = view.readable();
  SwapOp op;
  if (stored) {
    op.expected_epoch = stored->epoch;
    op.expected_revision = stored->revision;
  }
  op.next = next_record(stored);
  if (random_.chance(0.3)) {
    op.not_before =
        view.time + std::chrono::milliseconds(static_cast<std::int64_t>(random_.below(12)) - 4);
  }
  if (random_.chance(0.3)) op.claim = random_claim();
  op.unless_probe_failed = stored && random_.chance(0.3);
  return op;
}

}  // namespace switchgear::linearizability
