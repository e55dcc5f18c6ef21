// What the tests of every backend share: a store that is asked synchronously, values to put into
// it, and answers as text.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fleet/text.h"
#include "net/loop.h"
#include "stores/store.h"

namespace switchgear::stores {

// Runs the loop until the store has answered.
inline Result<fleet::Answer> ask(net::Loop& loop, Store& store, const std::string& circuit,
                                 const fleet::Operation& operation) {
  auto answer = std::make_shared<std::optional<Result<fleet::Answer>>>();
  store.execute(circuit, operation, [answer](Result<fleet::Answer> result) {
    EXPECT_FALSE(answer->has_value()) << "answered twice";
    *answer = std::move(result);
  });
  EXPECT_FALSE(answer->has_value()) << "answered from inside the call";
  EXPECT_TRUE(loop.run_until([&] { return answer->has_value(); }, 20s)) << "never answered";
  if (answer->has_value()) return **answer;
  return Error{.code = "test", .message = "never answered", .retryable = false, .source = ""};
}

inline Result<std::vector<std::string>> ask_names(net::Loop& loop, Store& store) {
  auto answer = std::make_shared<std::optional<Result<std::vector<std::string>>>>();
  store.list([answer](Result<std::vector<std::string>> result) { *answer = std::move(result); });
  EXPECT_TRUE(loop.run_until([&] { return answer->has_value(); }, 20s)) << "never answered";
  if (answer->has_value()) return **answer;
  return Error{.code = "test", .message = "never answered", .retryable = false, .source = ""};
}

inline Result<void> ask_remove(net::Loop& loop, Store& store, const std::string& circuit) {
  auto answer = std::make_shared<std::optional<Result<void>>>();
  store.remove(circuit, [answer](Result<void> result) { *answer = std::move(result); });
  EXPECT_TRUE(loop.run_until([&] { return answer->has_value(); }, 20s)) << "never answered";
  if (answer->has_value()) return **answer;
  return Error{.code = "test", .message = "never answered", .retryable = false, .source = ""};
}

// Everything in a snapshot but its time, in an order that does not depend on the backend.
inline std::string describe(const fleet::Snapshot& snapshot) {
  std::string text = "record:";
  if (!snapshot.record) {
    text += " none";
  } else if (!snapshot.record->has_value()) {
    text += " " + snapshot.record->error().text();
  } else {
    const fleet::Record& record = **snapshot.record;
    for (const auto& [name, value] : fleet::encode_fields(record)) {
      text.append(" ").append(name).append("=").append(value);
    }
    for (std::size_t i = 0; i < record.slots.size(); ++i) {
      if (record.slots[i]) text += " s" + std::to_string(i) + "=" + record.slots[i]->encode();
    }
  }
  std::vector<std::string> reports;
  for (const fleet::Report& report : snapshot.reports) reports.push_back(report.encode());
  std::ranges::sort(reports);
  text += "\nreports:";
  for (const std::string& report : reports) text += " " + report;
  text += "\nunreadable reports: " + std::to_string(snapshot.unreadable_reports) + "\nmeter:";
  for (const fleet::MeterMinute& m : {snapshot.meter.current, snapshot.meter.previous}) {
    text += " [" + std::to_string(m.minute);
    for (const double sum : {m.calls, m.active_ms, m.members, m.hellos}) {
      text += " " + fleet::number_text(sum);
    }
    text += "]";
  }
  text += "\nsteps:";
  auto steps = snapshot.steps;
  std::ranges::sort(steps, {}, &fleet::StepDelta::step);
  for (const auto& [step, s] : steps) {
    text += " [" + std::to_string(step);
    for (const double sum : {s.ok, s.overload, s.failure, s.rtt_sum_ms, s.rtt_count, s.busy_ms,
                             s.refused, s.members}) {
      text += " " + fleet::number_text(sum);
    }
    text += "]";
  }
  return text;
}

inline std::string describe(const fleet::Answer& answer) {
  return std::string(fleet::to_string(answer.status)) + "\n" + describe(answer.snapshot);
}

// Every field differs from its default.
inline fleet::Record full_record(std::int64_t epoch, std::uint64_t revision) {
  fleet::Record record;
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

inline fleet::Operation create(const fleet::Record& next) {
  return fleet::SwapOp{.expected_epoch = 0,
                       .expected_revision = 0,
                       .next = next,
                       .not_before = std::nullopt,
                       .claim = std::nullopt};
}

}  // namespace switchgear::stores
