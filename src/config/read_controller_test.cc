#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "config/reading_for_tests.h"

namespace switchgear::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

constexpr const char* kController = R"(
circuits:
  payments-api: {max_open_duration: 5m}
controller:
  calls_per_second: 1.5
  lease: 2m
  listen: 127.0.0.1:9400
  circuits:
    payments-api:
      evidence: trial
      alarms: [payments-errors, "payments, latency"]
      mappings:
        - orders-function
        - arn:aws:sqs:eu-central-1:123456789012:orders
      half_open: limited
      ramp_step: 3m
      uncapped_limit: 20
      alarm_interval: 20s
      mapping_interval: 5m
)";

TEST(Controller, IsReadFromYaml) {
  const Loaded loaded = read_yaml(kController);
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.warnings, IsEmpty());

  ControlledCircuit circuit;
  circuit.evidence = Evidence::trial;
  circuit.alarms = {"payments-errors", "payments, latency"};
  circuit.mappings = {"orders-function", "arn:aws:sqs:eu-central-1:123456789012:orders"};
  circuit.half_open = HalfOpen::limited;
  circuit.ramp_step = 3min;
  circuit.uncapped_limit = 20;
  circuit.alarm_interval = 20s;
  circuit.mapping_interval = 5min;
  ControllerSettings controller;
  controller.calls_per_second = 1.5;
  controller.lease = 2min;
  controller.listen = "127.0.0.1:9400";
  controller.circuits["payments-api"] = circuit;
  EXPECT_EQ(loaded.config.controller, controller);
  EXPECT_EQ(loaded.config.circuits.at("payments-api").max_open_duration, Duration(5min));
}

// As few keys as there can be.
std::string controlled(const std::string& keys) {
  return "controller:\n  circuits:\n    a:\n      mappings: orders\n      " + keys + "\n";
}

TEST(Controller, NeedsOnlyMappingsAndAlarms) {
  const Loaded loaded = read_yaml(controlled("alarms: errors"));
  ASSERT_THAT(loaded.problems, IsEmpty());
  ControlledCircuit circuit;
  circuit.alarms = {"errors"};
  circuit.mappings = {"orders"};
  EXPECT_THAT(loaded.config.controller.circuits, ElementsAre(Pair("a", circuit)));
}

TEST(Controller, ParksInAStandardQueueOfItsOwn) {
  const std::string queue = "arn:aws:sqs:eu-central-1:123456789012:parked";
  const Loaded loaded = read_yaml(
      controlled("alarms: errors\n      raise_retention: false\n      parking_queue: " + queue));
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.controller.circuits.at("a").parking_queue, queue);
  EXPECT_FALSE(loaded.config.controller.circuits.at("a").raise_retention);

  for (const char* wrong : {"parked", "arn:aws:sqs:eu-central-1:123456789012:parked.fifo",
                            "arn:aws:sns:eu-central-1:123456789012:parked"}) {
    const Loaded bad =
        read_yaml(controlled(std::string("alarms: errors\n      parking_queue: ") + wrong));
    ASSERT_EQ(bad.problems.size(), 1u) << wrong;
    EXPECT_NE(bad.problems[0].message.find("is not the ARN of a standard queue"),
              std::string::npos);
  }
  const Loaded shared = read_yaml(
      "controller:\n  circuits:\n    a: {mappings: x, alarms: e, "
      "parking_queue: '" +
      queue + "'}\n    b: {mappings: '" + queue + "', alarms: e, parking_queue: '" + queue +
      "'}\n");
  std::string told;
  for (const Problem& p : shared.problems) told += p.message + "\n";
  EXPECT_NE(told.find("is the parking queue of the circuit a already"), std::string::npos) << told;
  EXPECT_NE(told.find("nothing may read it but the controller"), std::string::npos) << told;
}

TEST(Controller, OfNothingIsAllDefaults) {
  for (const char* yaml : {"controller:", "controller: {}", "controller: {circuits: }"}) {
    const Loaded loaded = read_yaml(yaml);
    EXPECT_THAT(loaded.problems, IsEmpty()) << yaml;
    EXPECT_EQ(loaded.config, Config{}) << yaml;
  }
}

TEST(ControlledCircuit, GetsAPolicyOfDefaultsWhereNoneIsUnderCircuits) {
  const Loaded loaded =
      read_yaml(controlled("alarms: errors"), {{"SWITCHGEAR_CIRCUITS_A_PROBES", "2"}});
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.warnings, IsEmpty());
  Policy policy;
  policy.probes = 2;
  EXPECT_THAT(loaded.config.circuits, ElementsAre(Pair("a", policy)));
}

TEST(ControlledCircuit, GetsThePolicyOfItsParent) {
  const Loaded loaded = read_yaml(
      "circuits: {pay: {probes: 2}}\n"
      "controller: {circuits: {pay/eu: {alarms: errors, mappings: orders}}}");
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_EQ(loaded.config.circuits.at("pay/eu").probes, 2);
}

TEST(ControlledCircuit, ThatLooksLikeAMisspeltOneIsAWarning) {
  const Loaded loaded = read_yaml(
      "circuits: {payments-api: {}}\n"
      "controller: {circuits: {payment-api: {alarms: errors, mappings: orders}}}");
  EXPECT_EQ(text(loaded.warnings),
            "switchgear.yaml:2:25: controller.circuits.payment-api: no circuit payment-api is "
            "under circuits, so all its settings are the defaults; did you mean `payments-api`?\n");
}

TEST(ControlledCircuit, IsNotMeasuredAgainstOthersWithoutAPolicy) {
  const Loaded loaded = read_yaml(
      "controller: {circuits: {pay-1: {alarms: x, mappings: y}, pay-2: {alarms: x, mappings: y}}}");
  EXPECT_THAT(loaded.warnings, IsEmpty());
}

TEST(ControlledCircuit, MayHaveANameAsLongAsNamesCanBe) {
  const std::string shorter = std::string(256, 'x') + "/" + std::string(255, 'y');
  const Loaded loaded = read_yaml("circuits: {" + shorter + ": {}}\ncontroller: {circuits: {" +
                                  shorter + "y: {evidence: circuit, mappings: x}}}");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(text(loaded.warnings), HasSubstr("did you mean `" + shorter + "`?"));
}

TEST(Controller, HasItsProblemsReportedAllAtOnceEachWithPlaceAndFix) {
  EXPECT_EQ(
      problems_of(R"(controller:
  calls_per_second: 20
  leese: 1m
  circuits:
    bad name: {rampstep: 2m}
    one:
      evidence: alarms
      alarms: [errors, "", latency, errors, [a]]
      mappings: []
      ramp_step: 2h
    two:
      evidence: circuit
      alarms: errors,, latency
      mappings: {a: b}
    three:
      evidence: circuit
      alarms: errors
      mappings:
      uncapped_limit: 1
    four: {evidence: trial}
)",
                  {{"SWITCHGEAR_CONTROLLER_LEASE", "1s"}}),
      R"(switchgear.yaml:2:21: controller.calls_per_second: is 20, but must be from 0.1 to 15; write for example 3
switchgear.yaml:3:3: controller.leese: unknown key; did you mean `lease`?
switchgear.yaml:5:5: controller.circuits.bad name: the circuit's name contains a space; write only the characters A-Z a-z 0-9 . _ : -
switchgear.yaml:5:16: controller.circuits.bad name.rampstep: unknown key; did you mean `ramp_step`?
switchgear.yaml:7:17: controller.circuits.one.evidence: "alarms" is not known here; write alarm, trial or circuit; did you mean `alarm`?
switchgear.yaml:8:24: controller.circuits.one.alarms: entry 2 is empty; write a value, or remove it
switchgear.yaml:8:37: controller.circuits.one.alarms: "errors" is given twice, as entry 1 and 4; remove one of the two
switchgear.yaml:8:45: controller.circuits.one.alarms: entry 5 must be a single value, but is a list
switchgear.yaml:9:17: controller.circuits.one.mappings: is empty, but the circuit must have something to guard; write the name of a function, for example [orders-function]
switchgear.yaml:10:18: controller.circuits.one.ramp_step: is 2h, but must be from 1s to 1h; write for example 2m
switchgear.yaml:13:15: controller.circuits.two.alarms: entry 2 is empty; write a value, or remove it
switchgear.yaml:14:7: controller.circuits.two.mappings: must be a list, but is a mapping; write for example [a, b]
switchgear.yaml:17:15: controller.circuits.three.alarms: must be empty, since evidence is circuit; remove it, or write evidence: alarm
switchgear.yaml:18:7: controller.circuits.three.mappings: has no value; write one, or remove the key
switchgear.yaml:19:23: controller.circuits.three.uncapped_limit: is 1, but must be from 2 to 1000; write for example 100
switchgear.yaml:20:5: controller.circuits.four.mappings (by default): is empty, but the circuit must have something to guard; write the name of a function, for example [orders-function]
switchgear.yaml:20:22: controller.circuits.four.alarms (by default): is empty, but evidence is trial; write the names of CloudWatch alarms, for example [payments-errors], or evidence: circuit
SWITCHGEAR_CONTROLLER_LEASE: is 1s, but must be from 10s to 10m; write for example 1m
)");
}

TEST(List, MayBeWrittenAsOneValueWithCommas) {
  const Loaded loaded = read_yaml(controlled("alarms: errors, latency"));
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.config.controller.circuits.at("a").alarms, ElementsAre("errors", "latency"));
}

TEST(List, WithNothingBehindADashIsAProblemOfTheList) {
  EXPECT_EQ(problems_of(controlled("alarms:\n        - errors\n        -\n        - latency")),
            "switchgear.yaml:6:9: controller.circuits.a.alarms: entry 2 is empty; write a value, "
            "or remove it\n");
}

TEST(Alarm, IsNamedWithoutTheRestOfItsArn) {
  EXPECT_EQ(
      problems_of(controlled("alarms: [arn:aws:cloudwatch:eu-west-1:1:alarm:errors]")),
      "switchgear.yaml:5:16: controller.circuits.a.alarms: "
      "\"arn:aws:cloudwatch:eu-west-1:1:alarm:errors\" is an ARN; write the alarm's name, which "
      "follows :alarm: in it\n");
  EXPECT_THAT(problems_of(controlled("alarms: " + std::string(256, 'x'))),
              HasSubstr("longer than the 255 characters"));
  EXPECT_THAT(problems_of(controlled("alarms: [\"a\\nb\"]")), HasSubstr("control character"));
}

TEST(Mapping, IsNoUrlOfAQueue) {
  EXPECT_THAT(problems_of("controller: {circuits: {a: {evidence: circuit, mappings: "
                          "'https://sqs.eu-west-1.amazonaws.com/1/orders'}}}"),
              HasSubstr("is a URL; write the ARN of the queue"));
}

TEST(Mapping, FollowsOneCircuitOnly) {
  EXPECT_EQ(problems_of("controller:\n  circuits:\n"
                        "    a: {evidence: circuit, mappings: [orders, refunds]}\n"
                        "    b: {evidence: circuit, mappings: [carts, orders]}\n"),
            "switchgear.yaml:4:38: controller.circuits.b.mappings: \"orders\" is a mapping of the "
            "circuit a already, and can follow one only; remove it from one\n");
}

TEST(ControlledCircuit, HasNoMoreAlarmsThanOneLookCanTake) {
  std::string alarms = "0";
  for (int i = 1; i < 100; ++i) alarms += "," + std::to_string(i);
  EXPECT_EQ(problems_of(controlled("alarms: " + alarms)), "");
  EXPECT_THAT(problems_of(controlled("alarms: " + alarms + ",100")),
              HasSubstr("are 101, but must be at most 100"));
}

TEST(Problem, ThatFollowsFromAnUnreadableKeyOfTheControllerIsNotTold) {
  // With evidence unread it is open whether alarms are needed.
  EXPECT_THAT(problems_of(controlled("evidence: circiut")), Not(HasSubstr("is empty")));
  EXPECT_THAT(problems_of(controlled("alarms: [errors, errors]")), Not(HasSubstr("is empty")));
}

TEST(Key, OfTheOtherSectionIsToldWhereItBelongs) {
  EXPECT_EQ(problems_of(controlled("alarms: x\n      open_duration: 5s")),
            "switchgear.yaml:6:7: controller.circuits.a.open_duration: is a key of circuits; write "
            "it there, under the circuit of the same name\n");
  EXPECT_EQ(problems_of("circuits: {a: {mappings: orders}}"),
            "switchgear.yaml:1:16: circuits.a.mappings: is a key of controller.circuits; write it "
            "there, under the circuit of the same name\n");
}

TEST(Environment, OverridesEveryKeyOfTheController) {
  const Loaded loaded = read_yaml(
      kController, {{"SWITCHGEAR_CONTROLLER_CALLS_PER_SECOND", "4"},
                    {"SWITCHGEAR_CONTROLLER_LEASE", "30s"},
                    {"SWITCHGEAR_CONTROLLER_LISTEN", "0.0.0.0:1"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_EVIDENCE", "alarm"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_ALARMS", "one, two"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_MAPPINGS", "orders"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_HALF_OPEN", "trial"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_RAMP_STEP", "7m"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_UNCAPPED_LIMIT", "7"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_ALARM_INTERVAL", "7s"},
                    {"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_MAPPING_INTERVAL", "7m"}});
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.warnings, IsEmpty());

  ControlledCircuit circuit;
  circuit.evidence = Evidence::alarm;
  circuit.alarms = {"one", "two"};
  circuit.mappings = {"orders"};
  circuit.half_open = HalfOpen::trial;
  circuit.ramp_step = 7min;
  circuit.uncapped_limit = 7;
  circuit.alarm_interval = 7s;
  circuit.mapping_interval = 7min;
  ControllerSettings controller;
  controller.calls_per_second = 4;
  controller.lease = 30s;
  controller.listen = "0.0.0.0:1";
  controller.circuits["payments-api"] = circuit;
  EXPECT_EQ(loaded.config.controller, controller);
}

TEST(Environment, WithAWrongListIsAProblemOfTheVariable) {
  const std::string variable = "SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_ALARMS";
  EXPECT_EQ(problems_of(kController, {{variable, "a,,b"}}),
            variable + ": entry 2 is empty; write a value, or remove it\n");
}

TEST(Environment, OfAControlledCircuitMayBeAmbiguousToo) {
  const std::string keys = "{evidence: circuit, mappings: ";
  EXPECT_EQ(problems_of("controller: {circuits: {a.b: " + keys + "x}, a-b: " + keys + "y}}}",
                        {{"SWITCHGEAR_CONTROLLER_CIRCUITS_A_B_RAMP_STEP", "2m"}}),
            "SWITCHGEAR_CONTROLLER_CIRCUITS_A_B_RAMP_STEP: may mean "
            "controller.circuits.a-b.ramp_step or controller.circuits.a.b.ramp_step; set that key "
            "in the file, or rename a circuit\n");
}

TEST(Environment, MisspeltForTheControllerIsAWarningWithASuggestion) {
  EXPECT_EQ(
      text(read_yaml(kController, {{"SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_RAMPSTEP", "2m"}})
               .warnings),
      "SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_RAMPSTEP: is not a setting and changes nothing; "
      "did you mean `SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_RAMP_STEP`?\n");
}

TEST(Environment, OfACircuitThatTheControllerDoesNotHaveIsAWarning) {
  EXPECT_THAT(
      text(read_yaml("circuits: {refunds: {}}",
                     {{"SWITCHGEAR_CONTROLLER_CIRCUITS_REFUNDS_RAMP_STEP", "2m"}})
               .warnings),
      HasSubstr("belongs to a circuit that is not known here and changes nothing; name the circuit "
                "under controller.circuits in the file"));
}

}  // namespace
}  // namespace switchgear::config
