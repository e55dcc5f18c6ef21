#include "stores/trial.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "fleet/text.h"

namespace switchgear::stores {

using namespace fleet;

namespace {

constexpr Duration kPoll = 5ms;
// Longer than anything waits for on any store.
constexpr int kPollsMax = 12'000;
constexpr std::size_t kFlawsMax = 20;  // of one trial; more say nothing new

}  // namespace

Trial::Trial(net::Waiting& waiting, std::unique_ptr<Store> store, StoreTraits traits,
             std::string of_circuit)
    : circuit(std::move(of_circuit)),
      waiting_(waiting),
      store_(std::move(store)),
      traits_(std::move(traits)) {}

void Trial::flaw(const std::string& what, std::string_view note, const std::source_location& at) {
  if (flaws_.size() >= kFlawsMax) return;
  const std::string path = at.file_name();
  flaws_.push_back({.file = path.substr(path.rfind('/') + 1),
                    .line = at.line(),
                    .text = what + (note.empty() ? "" : ": " + std::string(note))});
}

void Trial::failed(const std::string& operation, const Error& error) {
  if (!failure_) failure_ = error;
  flaw(operation + " failed: " + error.text(), {}, std::source_location::current());
}

void Trial::check(bool holds, std::string_view note, std::source_location at) {
  if (!holds) flaw("does not hold", note, at);
}

void Trial::at(StoreTime time, StoreTime expected, std::source_location where) {
  check(time >= expected - traits_.uncertainty, "the time is too early", where);
  check(time <= expected + traits_.uncertainty, "the time is too late", where);
}

template <class T, class Start>
Result<T> Trial::ask(const Start& start) {
  const auto where = std::source_location::current();
  int answers = 0;
  auto answer = waiting_.wait_for<T>(store_->backend(), [&](const auto& done) {
    const auto count = std::make_shared<int>(0);
    start([this, count, done, where](Result<T> result) {
      if (++*count > 1) flaw("answered twice", {}, where);
      done(std::move(result));
    });
    answers = *count;
  });
  check(answers == 0, "it answered from inside the call", where);
  return answer;
}

Answer Trial::apply(const Operation& operation) {
  auto answer =
      ask<Answer>([&](auto done) { store_->execute(circuit, operation, std::move(done)); });
  if (answer) return *std::move(answer);
  failed(std::string(name_of(operation)), answer.error());
  return {};
}

NoteAnswer Trial::note() {
  auto answer = ask<NoteAnswer>([&](auto done) { store_->read_note(circuit, std::move(done)); });
  if (answer) return *std::move(answer);
  failed("read_note", answer.error());
  return {};
}

Result<NoteAnswer> Trial::try_note(std::uint64_t expected, const std::string& text) {
  return ask<NoteAnswer>(
      [&](auto done) { store_->write_note(circuit, expected, text, std::move(done)); });
}

NoteAnswer Trial::write_note(std::uint64_t expected, const std::string& text) {
  auto answer = try_note(expected, text);
  if (answer) return *std::move(answer);
  failed("write_note", answer.error());
  return {};
}

std::string Trial::refusal_of_note(std::uint64_t expected, const std::string& text) {
  const auto answer = try_note(expected, text);
  return answer ? "" : answer.error().code;
}

std::vector<NoteAnswer> Trial::write_notes_at_once(std::uint64_t expected,
                                                   const std::vector<std::string>& texts) {
  using Answers = std::vector<NoteAnswer>;
  auto answers = ask<Answers>([&](const auto& done) {
    const auto found = std::make_shared<Answers>(texts.size());
    const auto missing = std::make_shared<std::size_t>(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      store_->write_note(circuit, expected, texts[i],
                         [done, found, missing, i](const Result<NoteAnswer>& answer) {
                           if (*missing == 0) return;  // one has failed
                           if (!answer) *missing = 0;
                           if (!answer) return done(answer.error());
                           (*found)[i] = *answer;
                           if (--*missing == 0) done(*found);
                         });
    }
  });
  if (answers) return *std::move(answers);
  failed("write_note", answers.error());
  return {};
}

std::vector<std::string> Trial::names() {
  auto names = waiting_.wait_for<std::vector<std::string>>(
      store_->backend(), [&](auto done) { store_->list(std::move(done)); });
  if (names) return *std::move(names);
  failed("list", names.error());
  return {};
}

void Trial::remove() {
  const auto removed = waiting_.wait_for<void>(
      store_->backend(), [&](auto done) { store_->remove(circuit, std::move(done)); });
  if (!removed) failed("remove", removed.error());
}

bool Trial::answers_after_its_end(const Operation& operation) {
  const auto called = std::make_shared<bool>(false);
  store_->execute(circuit, operation, [called](const Result<Answer>&) { *called = true; });
  store_->read_note(circuit, [called](const Result<NoteAnswer>&) { *called = true; });
  store_.reset();
  waiting_.pause(20ms);
  return *called;
}

Record Trial::record_in(const Snapshot& snapshot) {
  check(snapshot.readable() != nullptr, describe(snapshot));
  return snapshot.readable() ? *snapshot.readable() : Record{};
}

Slot Trial::slot_in(const Snapshot& snapshot, int index) {
  const auto slot = record_in(snapshot).slots[static_cast<std::size_t>(index)];
  check(slot.has_value(), "nobody has or had the slot");
  return slot.value_or(Slot{});
}

void Trial::create_record(std::int64_t epoch, std::uint64_t revision) {
  equal(status_of(create(full_record(epoch, revision))), Status::ok, "a record is made");
}

Report Trial::report(std::uint32_t seq, std::chrono::milliseconds ago, InstanceId who) {
  return {.sent = now() - ago,
          .span = 5ms,
          .instance = who,
          .seq = seq,
          .failures = 2,
          .overloads = 3,
          .slow = 4,
          .thinning = 1};
}

// A slot whose lease is about to end, as far as the store's time is known.
bool Trial::has_a_brief_lease() {
  const Snapshot snapshot = read();
  if (!snapshot.readable()) return false;
  return std::ranges::any_of(snapshot.readable()->slots, [&](const auto& slot) {
    return slot && slot->expires > snapshot.time &&
           slot->expires < snapshot.time + traits_.uncertainty;
  });
}

void Trial::let_pass(std::chrono::milliseconds time) {
  if (traits_.advance) return traits_.advance(time);
  const StoreTime end = now() + time;
  for (int poll = 0; poll < kPollsMax; ++poll) {
    if (now() >= end && !has_a_brief_lease()) return;
    // Of a store that fails the time does not come.
    if (flaws_.size() >= kFlawsMax || !waiting_.pause(kPoll)) return;
  }
  flaw("the store's time stands still", {}, std::source_location::current());
}

Record full_record(std::int64_t epoch, std::uint64_t revision) {
  Record record;
  record.incarnation = 18'446'744'073'709'551'615ULL;  // more than a Lua number holds
  record.epoch = epoch;
  record.revision = revision;
  record.swap_id = 9'007'199'254'740'993ULL + revision;  // 2^53 + 1: no double either
  record.state = State::half_open;
  record.born = store_time_ms(1'700'000'000'000);
  record.since = store_time_ms(1'700'000'000'001);
  record.reopen = store_time_ms(1'700'000'000'002);
  record.opens = 3;
  record.reason = "failure_rate";
  record.why = "12 failures; \"quoted\"\r\nand a second line, ünïcode";
  record.fingerprint = "w4h40";
  record.probes = 2;
  record.recovery = {.limit = 2.5,
                     .slow_start_threshold = 0.1,
                     .base_rtt_ms = 1.0 / 3,
                     .phase = core::RecoveryPhase::measure_base,
                     .phase_steps = 4,
                     .hold_steps = 5,
                     .unbound_steps = 6,
                     .calls_per_second = 7.25,
                     .resume_limit = 8};
  record.last_good_limit = 1e6;
  record.step = 9;
  record.step_at = store_time_ms(1'700'000'000'003);
  record.members = 10.5;
  return record;
}

Operation create(const Record& next) {
  return SwapOp{.expected_epoch = 0,
                .expected_revision = 0,
                .next = next,
                .not_before = std::nullopt,
                .claim = std::nullopt};
}

std::string describe(const Snapshot& snapshot) {
  std::string text = "record:";
  if (!snapshot.record) {
    text += " none";
  } else if (!snapshot.record->has_value()) {
    text += " " + snapshot.record->error().text();
  } else {
    const Record& record = **snapshot.record;
    for (const auto& [name, value] : encode_fields(record)) {
      text.append(" ").append(name).append("=").append(value);
    }
    for (std::size_t i = 0; i < record.slots.size(); ++i) {
      if (record.slots[i]) text += " s" + std::to_string(i) + "=" + record.slots[i]->encode();
    }
  }
  std::vector<std::string> reports;
  for (const Report& report : snapshot.reports) reports.push_back(report.encode());
  std::ranges::sort(reports);
  text += "\nreports:";
  for (const std::string& report : reports) text += " " + report;
  text += "\nunreadable reports: " + std::to_string(snapshot.unreadable_reports) + "\nmeter:";
  for (const MeterMinute& m : {snapshot.meter.current, snapshot.meter.previous}) {
    text += " [" + std::to_string(m.minute);
    for (const double sum : {m.calls, m.active_ms, m.members, m.hellos}) {
      text += " " + number_text(sum);
    }
    text += "]";
  }
  text += "\nsteps:";
  auto steps = snapshot.steps;
  std::ranges::sort(steps, {}, &StepDelta::step);
  for (const auto& [step, s] : steps) {
    text += " [" + std::to_string(step);
    for (const double sum : {s.ok, s.overload, s.failure, s.rtt_sum_ms, s.rtt_count, s.busy_ms,
                             s.refused, s.members}) {
      text += " " + number_text(sum);
    }
    text += "]";
  }
  return text;
}

std::string describe(const Answer& answer) {
  return std::string(to_string(answer.status)) + "\n" + describe(answer.snapshot);
}

SwapOp swaps(std::int64_t epoch, std::uint64_t revision, const Record& next) {
  return {.expected_epoch = epoch,
          .expected_revision = revision,
          .next = next,
          .not_before = std::nullopt,
          .claim = std::nullopt};
}

ReportOp adds(std::int64_t epoch, const Report& report) {
  return {.epoch = epoch, .report = report, .meter = {}, .step = std::nullopt};
}

ReportOp heartbeat(const MeterDelta& meter, std::optional<StepDelta> step) {
  return {.epoch = 0, .report = std::nullopt, .meter = meter, .step = step};
}

ClaimOp claims(std::int64_t epoch, int slot, InstanceId who, std::uint32_t token,
               std::chrono::milliseconds lease) {
  return {.epoch = epoch, .claim = {.slot = slot, .holder = who, .token = token, .lease = lease}};
}

ClaimOp after(const SlotOwner& seen, ClaimOp claim) {
  claim.seen = seen;
  return claim;
}

ClaimOp starting(ClaimOp claim) {
  claim.starts = true;
  claim.seen = claim.claim.owner();
  return claim;
}

SettleOp settles(std::int64_t epoch, int slot, InstanceId who, std::uint32_t token,
                 Settlement settlement) {
  return {.epoch = epoch, .slot = slot, .holder = who, .token = token, .settlement = settlement};
}

bool is_free(const std::optional<Slot>& slot) { return !slot || slot->expires == StoreTime{}; }

}  // namespace switchgear::stores
