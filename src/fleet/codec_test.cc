#include <gtest/gtest.h>

#include "core/random.h"
#include "fleet/record.h"
#include "fleet/report.h"

namespace switchgear::fleet {
namespace {

Record full_record() {
  Record r;
  r.incarnation = 0xfedcba9876543210ULL;
  r.epoch = 1'766'000'000'123;
  r.revision = 42;
  r.swap_id = ~std::uint64_t{0};
  r.state = State::recovering;
  r.born = store_time_ms(1'765'000'000'000);
  r.since = store_time_ms(1'766'000'000'000);
  r.reopen = store_time_ms(1'766'000'000'001);
  r.opens = 3;
  r.reason = "probes_succeeded";
  r.why = "3 probes succeeded: \"ok\", said ünïcode\n";
  r.trip = {.at = store_time_ms(1'766'000'000'000),
            .rule = "failure_rate",
            .failures = 12,
            .evidence = 48.5,
            .need = 41,
            .reports = 5,
            .reporters = 3,
            .first = store_time_ms(1'765'999'999'600),
            .last = store_time_ms(1'766'000'000'000),
            .shares = {{.instance = InstanceId{7}, .failures = 8},
                       {.instance = InstanceId{8}, .failures = 3.5}}};
  r.hold = {
      .kind = HoldKind::forced_open, .who = "anna", .why = "deploy", .until = r.since, .epoch = 77};
  r.fingerprint = "p0=0.05";
  r.probes = 3;
  r.probe_ok = 2;
  r.probe_failed = 1;
  r.recovery = {.limit = 12.5,
                .slow_start_threshold = 31.25,
                .base_rtt_ms = 199.875,
                .phase = core::RecoveryPhase::measure_base,
                .phase_steps = 1,
                .hold_steps = 2,
                .unbound_steps = 3,
                .calls_per_second = 0.1,
                .resume_limit = 25,
                .offered_in_flight = 3.4};
  r.last_good_limit = 17;
  r.step = 9;
  r.step_at = store_time_ms(1'766'000'003'000);
  r.members = 4;
  return r;
}

TEST(Report, ReadsBackAsWritten) {
  const Report r{.sent = store_time_ms(1'766'000'000'123),
                 .span = std::chrono::milliseconds{17},
                 .instance = InstanceId{0xabcdef012345},
                 .seq = 7,
                 .failures = 3,
                 .overloads = 2,
                 .slow = 1,
                 .thinning = 4};
  EXPECT_EQ(r.encode(), "1766000000123.17.abcdef012345.7.3.2.1.4");
  const auto back = Report::decode(r.encode());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, r);
}

TEST(Report, RefusesWhatIsNoReport) {
  for (const char* text :
       {"", ".", "1.2.3", "1766000000123.17.abcdef012345.7.3.2.1", "x.17.abcdef012345.7.3.2.1.4",
        "1.17.abcdef012345.7.3.2.1.4", "-5.0.abcdef012345.7.3.2.1.4",
        "1766000000123.17.1abcdef012345.7.3.2.1.4", "1766000000123.17.abcdef012345.7.3.2.1.99",
        "1766000000123.17.abcdef012345.7.3.2.1.4 ", "1766000000123.17.abcdef012345.-7.3.2.1.4",
        "99999999999999999999.0.abcdef012345.7.3.2.1.4"}) {
    EXPECT_FALSE(Report::decode(text)) << text;
  }
}

TEST(Slot, ReadsBackAsWritten) {
  const Slot slot{.holder = InstanceId{5}, .token = 0xffffffff, .expires = store_time_ms(99)};
  EXPECT_EQ(slot.encode(), "000000000005.4294967295@99");
  EXPECT_EQ(Slot::decode(slot.encode()).value(), slot);
  Slot begun = slot;
  begun.started = 1766000000123;
  EXPECT_EQ(begun.encode(), "000000000005.4294967295@99!1766000000123");
  EXPECT_EQ(Slot::decode(begun.encode()).value(), begun);
  for (const char* text :
       {"", "5@99", "000000000005.1", "000000000005.1@-4", "x.1@5", "5@1.2", "000000000005.1@5!",
        "000000000005.1@5!x", "000000000005.1@5!0", "000000000005.1@5!-1", "000000000005.1@!5",
        "000000000005.1@5!1!2", "000000000005.1!5@5"}) {
    EXPECT_FALSE(Slot::decode(text)) << text;
  }
}

TEST(Trip, ReadsBackAsWritten) {
  EXPECT_EQ(Trip{}.encode(), "");
  EXPECT_EQ(Trip::decode("").value(), Trip{});
  const Trip trip = full_record().trip;
  EXPECT_EQ(trip.encode(),
            "1766000000000 failure_rate 12 48.5 41 5 3 1765999999600 1766000000000 "
            "000000000007=8 000000000008=3.5");
  EXPECT_EQ(Trip::decode(trip.encode()).value(), trip);
}

TEST(Trip, RefusesWhatIsNoTrip) {
  for (const char* text :
       {" ", "1 rule 1 2 3 4 5 6", "1 rule 1 2 3 4 5 6 x", "1  1 2 3 4 5 6 7",
        "1 rule -1 2 3 4 5 6 7", "1 rule 1 2 3 4 5 6 7 0000000000ff", "1 rule 1 2 3 4 5 6 7 zz=1",
        "1 rule 1 2 3 4 5 6 7 0000000000ff=inf", "9999999999999999 rule 1 2 3 4 5 6 7"}) {
    EXPECT_FALSE(Trip::decode(text)) << text;
  }
}

TEST(Record, ReadsBackAsWritten) {
  Record r = full_record();
  Fields fields = encode_fields(r);
  r.slots[0] = Slot{.holder = InstanceId{1}, .token = 2, .expires = store_time_ms(3)};
  r.slots[31] =
      Slot{.holder = InstanceId{4}, .token = 5, .expires = store_time_ms(6), .started = 7};
  fields.emplace_back("s0", r.slots[0]->encode());
  fields.emplace_back("s31", r.slots[31]->encode());
  const auto back = decode_record(fields);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, r);
}

TEST(Record, NamesTheFieldThatIsMissing) {
  const Fields whole = encode_fields(full_record());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Fields fields = whole;
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(i));
    const auto r = decode_record(fields);
    ASSERT_FALSE(r) << whole[i].first;
    EXPECT_NE(r.error().message.find("\"" + whole[i].first + "\""), std::string::npos)
        << r.error().message;
    EXPECT_EQ(r.error().code, "unreadable");
  }
}

TEST(Record, KeepsItsHandsOffANewerSchema) {
  Fields fields = encode_fields(full_record());
  fields[0].second = "2";
  const auto r = decode_record(fields);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("schema 2"), std::string::npos) << r.error().message;
}

TEST(Record, KeepsItsHandsOffAnUnknownState) {
  Fields fields = encode_fields(full_record());
  for (auto& [name, value] : fields) {
    if (name == "st") value = "HALF_CLOSED";
  }
  const auto r = decode_record(fields);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("HALF_CLOSED"), std::string::npos);
}

TEST(Record, SurvivesSpoiltFields) {
  core::Random random(11);
  const Fields whole = encode_fields(full_record());
  for (int run = 0; run < 20'000; ++run) {
    Fields fields = whole;
    auto& value = fields[random.below(fields.size())].second;
    switch (random.below(4)) {
      case 0:
        value = std::to_string(random.next());
        break;
      case 1:
        value.insert(0, 1, '-');
        break;
      case 2:
        value.clear();
        break;
      default:
        value.push_back(static_cast<char>(random.below(256)));
        break;
    }
    const auto record = decode_record(fields);
    ASSERT_TRUE(record || !record.error().message.empty());
  }
}

TEST(Instance, PrintsAsTwelveDigits) {
  EXPECT_EQ(to_string(InstanceId{0x1f}), "00000000001f");
  EXPECT_EQ(instance_from_string("00000000001f").value(), InstanceId{0x1f});
  EXPECT_FALSE(instance_from_string("nope"));
}

}  // namespace
}  // namespace switchgear::fleet
