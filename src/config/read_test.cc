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
using testing::SizeIs;

constexpr const char* kExample = R"(
store: redis://127.0.0.1:6379
circuits:
  payments-api:
    acceptable_failure_rate: 1%
    unacceptable_failure_rate: 0.3
    slow_call_duration: 2s
    probes: 2
    mode: observe
worker:
  queue: https://sqs.eu-central-1.amazonaws.com/123456789012/orders
  handler: http://127.0.0.1:8080/orders
  circuit: payments-api
  concurrency: 80
  backoff: {base: 2s, cap: 5m, jitter: full}
)";

TEST(Configuration, IsReadFromYaml) {
  const Loaded loaded = read_yaml(kExample);
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_EQ(loaded.config.store, "redis://127.0.0.1:6379");

  Policy policy;
  policy.acceptable_failure_rate = 0.01;
  policy.unacceptable_failure_rate = 0.3;
  policy.slow_call_duration = 2s;
  policy.probes = 2;
  policy.mode = Mode::observe;
  policy.call_timeout = 30s;  // the handler's, by default
  EXPECT_THAT(loaded.config.circuits, ElementsAre(testing::Pair("payments-api", policy)));

  WorkerSettings worker;
  worker.queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders";
  worker.handler = "http://127.0.0.1:8080/orders";
  worker.circuit = "payments-api";
  worker.concurrency = 80;
  worker.backoff = {.base = 2s, .cap = 5min, .jitter = core::Jitter::full};
  EXPECT_EQ(loaded.config.worker, worker);
}

TEST(Configuration, MayBeJson) {
  const Loaded loaded = read_yaml(R"({"circuits": {"a": {"probes": 3}}})");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.circuits.at("a").probes, 3);
}

TEST(Configuration, OfNothingIsAllDefaults) {
  for (const char* yaml : {"", "# a comment\n", "---\n", "circuits:\nworker:\n"}) {
    const Loaded loaded = read_yaml(yaml);
    EXPECT_THAT(loaded.problems, IsEmpty()) << yaml;
    EXPECT_EQ(loaded.config, Config{}) << yaml;
  }
}

TEST(Configuration, ReportsAllProblemsAtOnceEachWithPlaceAndFix) {
  const std::string found = problems_of(R"(stroe: redis://127.0.0.1:6379
store: rediss://user:secret@cache:6380?cafile=x
circuits:
  payments-api:
    probs: 2
    probes: two
    open_duration: 5000
    acceptable_failure_rate: 60%
    failure_rate_threshold: 50
    minimum_number_of_calls: 10
    mode: enforced
    call_timeout:
  bad name: {}
  refunds:
    open_duration: 1m
    wait_duration_in_open_state: 2m
    probes: 64
worker:
  handler: [http://127.0.0.1:8080/]
  backoff: {bsae: 1s, cap: 13h}
)",
                                        {{"SWITCHGEAR_WORKER_CONCURRENCY", "many"}},
                                        {{"worker.queue", "orders", "--queue"}});
  EXPECT_EQ(found,
            R"(switchgear.yaml:1:1: stroe: unknown key; did you mean `store`?
switchgear.yaml:2:8: store: the URL 'rediss://***@cache:6380?***' has an unknown option; did you mean `ca_file`?; there are ca_file, cert_file, key_file, iam_cache, region. A certificate is always verified: for one of a private CA give ca_file
switchgear.yaml:5:5: circuits.payments-api.probs: unknown key; did you mean `probes`?
switchgear.yaml:6:13: circuits.payments-api.probes: "two" is no whole number; write digits only, for example 3
switchgear.yaml:7:20: circuits.payments-api.open_duration: "5000" has no unit; write 5000ms, 5000s or another of ms, s, m, h, d, y
switchgear.yaml:8:30: circuits.payments-api.unacceptable_failure_rate (by default): is 50%, but must be above acceptable_failure_rate (60%); write a rate at which the dependency is better left alone, for example 100%
switchgear.yaml:9:29: circuits.payments-api.failure_rate_threshold: "50" is more than everything; write 50% or 0.5
switchgear.yaml:10:30: circuits.payments-api.minimum_number_of_calls: belongs to the rule classic, but rule is cusum (the default); write rule: classic beside it, or remove it and write unacceptable_failure_rate
switchgear.yaml:11:11: circuits.payments-api.mode: "enforced" is not known here; write enforce, observe or off; did you mean `enforce`?
switchgear.yaml:12:5: circuits.payments-api.call_timeout: has no value; write for example 10s, or remove the key, which means the same
switchgear.yaml:13:3: circuits.bad name: the circuit's name contains a space; write only the characters A-Z a-z 0-9 . _ : -
switchgear.yaml:15:20: circuits.refunds.max_open_duration (by default): is 30s, but must be at least as long as open_duration (1m); write 1m or more
switchgear.yaml:16:5: circuits.refunds.wait_duration_in_open_state: means open_duration, which is given already in line 15; remove one of the two
switchgear.yaml:17:13: circuits.refunds.probes: is 64, but must be from 1 to 32; write for example 1
switchgear.yaml:19:3: worker.handler: must be a single value, but is a list
switchgear.yaml:20:13: worker.backoff.bsae: unknown key; did you mean `base`?
switchgear.yaml:20:28: worker.backoff.cap: is 13h, but must be from 1s to 43195s; write for example 15m
SWITCHGEAR_WORKER_CONCURRENCY: "many" is no whole number; write digits only, for example 3
--queue: the URL 'orders' does not start with a scheme such as https:// or redis://
)");
}

TEST(Problem, OfADefaultIsPlacedAtTheValueThatItDoesNotFit) {
  EXPECT_EQ(problems_of("circuits:\n  a:\n    open_duration: 1m\n"),
            "switchgear.yaml:3:20: circuits.a.max_open_duration (by default): is 30s, but must be "
            "at least as long as open_duration (1m); write 1m or more\n");
}

TEST(Problem, ThatFollowsFromAnUnreadableValueIsNotTold) {
  // Unread, open_duration is 5s, which would be longer than the cap.
  EXPECT_THAT(read_yaml("circuits: {a: {open_duration: 1, max_open_duration: 2s}}").problems,
              SizeIs(1));
}

TEST(Problem, NeverShowsAPassword) {
  for (const char* store :
       {"rediss://:hunter2@cache/x", "redis://:hunter2@cache:port", "redi://:hunter2@cache",
        "hunter2@cache", "redis://x:hunter2", "memory:hunter2"}) {
    const std::string in_file = problems_of("store: '" + std::string(store) + "'");
    EXPECT_FALSE(in_file.empty()) << store;
    EXPECT_THAT(in_file, Not(HasSubstr("hunter2")));
    EXPECT_THAT(problems_of("", {{"SWITCHGEAR_STORE", store}}), Not(HasSubstr("hunter2")));
  }
}

TEST(Yaml, ThatIsBrokenIsReportedWithItsLine) {
  const std::string found = problems_of("circuits:\n  a: {probes: 1\nworker: x\n");
  EXPECT_THAT(found, testing::StartsWith("switchgear.yaml:3:"));
  EXPECT_THAT(found, HasSubstr("not well-formed YAML"));
}

TEST(Yaml, WithAnUnquotedValueThatEndsInAColonSaysWhatToDo) {
  EXPECT_THAT(problems_of("circuits: {}\nstore: memory:\n"),
              HasSubstr("put a value that ends in a colon into quotation marks"));
  EXPECT_THAT(problems_of("circuits:\n  a: {probes: 1\nworker:\n"), Not(HasSubstr("ends in a")));
}

TEST(Yaml, ThatIsBrokenByAControlCharacterDoesNotSpoilTheTerminal) {
  EXPECT_THAT(problems_of("a: \"\\\x1b[2J\""), Not(HasSubstr("\x1b")));
}

TEST(Yaml, OfSeveralDocumentsIsRefused) {
  EXPECT_THAT(problems_of("store: 'memory:'\n---\ncircuits: {}\n"),
              HasSubstr("a second document begins here"));
}

TEST(Yaml, OfDocumentsThatTakeUpNothingIsRefusedInATimeThatEnds) {
  EXPECT_THAT(problems_of("!a, b"), HasSubstr("a second document begins here"));
  EXPECT_FALSE(problems_of(std::string(",o\0\n  !c\0\0\0", 11)).empty());
}

TEST(Yaml, ThatIsNoMappingIsRefused) {
  EXPECT_THAT(problems_of("- store\n"), HasSubstr("but is a list"));
  EXPECT_THAT(problems_of("circuits: [a, b]\n"), HasSubstr("but is a list"));
  EXPECT_THAT(problems_of("circuits: {a: 5}\n"), HasSubstr("but is a single value"));
  EXPECT_THAT(problems_of("[a]: 5\n"), HasSubstr("a key must be a word"));
}

TEST(Yaml, DeepAndLargeInputIsRefusedWithoutHarm) {
  EXPECT_THAT(problems_of(std::string(100'000, '[')), HasSubstr("YAML"));
  EXPECT_THAT(problems_of(std::string(2'000'000, '#')), HasSubstr("larger than 1 MB"));
}

TEST(Key, GivenTwiceIsAProblem) {
  EXPECT_EQ(problems_of("store: 'memory:'\nstore: 'memory:'\n"),
            "switchgear.yaml:2:1: store: is given already in line 1; remove one of the two\n");
  EXPECT_THAT(problems_of("circuits:\n  a: {}\n  a: {}\n"), HasSubstr("given already in line 2"));
}

TEST(Key, GivenAgainByItsSynonymIsAProblem) {
  EXPECT_EQ(problems_of("circuits:\n  a:\n    probes: 1\n"
                        "    permitted_number_of_calls_in_half_open_state: 1\n"),
            "switchgear.yaml:4:5: circuits.a.permitted_number_of_calls_in_half_open_state: means "
            "probes, which is given already in line 3; remove one of the two\n");
}

TEST(Key, MayBeGivenByItsSynonym) {
  const Loaded loaded = read_yaml(R"(
circuits:
  a:
    slow_call_duration_threshold: 2s
    wait_duration_in_open_state: 10s
    permitted_number_of_calls_in_half_open_state: 4
)");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.circuits.at("a").slow_call_duration, Duration(2s));
  EXPECT_EQ(loaded.config.circuits.at("a").open_duration, Duration(10s));
  EXPECT_EQ(loaded.config.circuits.at("a").probes, 4);
}

TEST(Rule, OfTheFieldsClassicsIsAWindow) {
  const Loaded loaded = read_yaml(R"(
circuits:
  a:
    rule: classic
    sliding_window_type: time
    sliding_window_size: 60
    failure_rate_threshold: 60%
    slow_call_rate_threshold: 80%
    slow_call_duration_threshold: 2s
    minimum_number_of_calls: 20
)");
  EXPECT_THAT(loaded.problems, IsEmpty());
  const Policy& policy = loaded.config.circuits.at("a");
  EXPECT_EQ(policy.rule, Rule::classic);
  EXPECT_EQ(policy.sliding_window_type, SlidingWindowType::time);
  EXPECT_EQ(policy.sliding_window_size, 60);
  EXPECT_EQ(policy.failure_rate_threshold, 0.6);
  EXPECT_EQ(policy.slow_call_rate_threshold, 0.8);
  EXPECT_EQ(policy.minimum_number_of_calls, 20);
}

TEST(Rule, RefusesTheKeysOfTheOtherEvenAtTheirDefaults) {
  EXPECT_EQ(problems_of("circuits:\n  a:\n    failure_rate_threshold: 50%\n"),
            "switchgear.yaml:3:29: circuits.a.failure_rate_threshold: belongs to the rule classic, "
            "but rule is cusum (the default); write rule: classic beside it, or remove it and "
            "write unacceptable_failure_rate\n");
  EXPECT_EQ(problems_of("circuits:\n  a:\n    rule: classic\n    trip_level: 0\n"),
            "switchgear.yaml:4:17: circuits.a.trip_level: belongs to the rule cusum, but rule is "
            "classic; remove it and write failure_rate_threshold or slow_call_rate_threshold, or "
            "remove rule\n");
  // Of a rule that could not be read nothing follows.
  EXPECT_EQ(problems_of("circuits:\n  a:\n    rule: clasic\n    trip_level: 0\n"),
            "switchgear.yaml:3:11: circuits.a.rule: \"clasic\" is not known here; write cusum or "
            "classic; did you mean `classic`?\n");
}

TEST(Key, FarFromAllIsToldWhichThereAre) {
  EXPECT_EQ(problems_of("zzz: 1\n"),
            "switchgear.yaml:1:1: zzz: unknown key; the keys here are circuits, controller, push, "
            "store, worker\n");
}

TEST(Environment, OverridesEveryKey) {
  const Loaded loaded = read_yaml(kExample, {{"SWITCHGEAR_STORE", "memory:"},
                                             {"SWITCHGEAR_WORKER_CONCURRENCY", "7"},
                                             {"SWITCHGEAR_WORKER_BACKOFF_BASE", "3s"},
                                             {"SWITCHGEAR_CIRCUITS_PAYMENTS_API_PROBES", "5"},
                                             {"PATH", "/bin"}});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_EQ(loaded.config.store, "memory:");
  EXPECT_EQ(loaded.config.worker.concurrency, 7);
  EXPECT_EQ(loaded.config.worker.backoff.base, Duration(3s));
  EXPECT_EQ(loaded.config.circuits.at("payments-api").probes, 5);
}

TEST(Environment, RepairsWhatTheFileHasWrongNot) {
  // Two sources, two problems: the file stays wrong when a variable covers it.
  EXPECT_THAT(problems_of("worker: {concurrency: x}", {{"SWITCHGEAR_WORKER_CONCURRENCY", "7"}}),
              HasSubstr("switchgear.yaml:1:23: worker.concurrency"));
}

TEST(Environment, WithAWrongValueIsAProblemOfTheVariable) {
  EXPECT_EQ(problems_of(kExample, {{"SWITCHGEAR_CIRCUITS_PAYMENTS_API_PROBES", "99"}}),
            "SWITCHGEAR_CIRCUITS_PAYMENTS_API_PROBES: is 99, but must be from 1 to 32; write for "
            "example 1\n");
}

TEST(Environment, EmptyIsNotSet) {
  const Loaded loaded = read_yaml(kExample, {{"SWITCHGEAR_STORE", ""}});
  EXPECT_EQ(loaded.config.store, "redis://127.0.0.1:6379");
}

TEST(Environment, UnknownVariableIsAWarningWithASuggestion) {
  const Loaded loaded = read_yaml("", {{"SWITCHGEAR_WORKER_CONCURENCY", "7"}});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(text(loaded.warnings),
            "SWITCHGEAR_WORKER_CONCURENCY: is not a setting and changes nothing; did you mean "
            "`SWITCHGEAR_WORKER_CONCURRENCY`?\n");
}

TEST(Environment, VariableOfAnUnknownCircuitIsAWarning) {
  const Loaded loaded = read_yaml("", {{"SWITCHGEAR_CIRCUITS_PAYMENTS_API_PROBES", "7"}});
  EXPECT_THAT(text(loaded.warnings), HasSubstr("belongs to a circuit that is not known here"));
}

TEST(Environment, ThatFitsTwoCircuitsIsAmbiguous) {
  EXPECT_EQ(problems_of("circuits: {a.b: {}, a-b: {}}", {{"SWITCHGEAR_CIRCUITS_A_B_PROBES", "2"}}),
            "SWITCHGEAR_CIRCUITS_A_B_PROBES: may mean circuits.a-b.probes or circuits.a.b.probes; "
            "set that key in the file, or rename a circuit\n");
}

TEST(Environment, ThatFitsTwoKeysIsAmbiguous) {
  EXPECT_THAT(problems_of("circuits: {a: {}, a_max: {}}",
                          {{"SWITCHGEAR_CIRCUITS_A_MAX_OPEN_DURATION", "9s"}}),
              HasSubstr("may mean circuits.a.max_open_duration or circuits.a_max.open_duration"));
}

TEST(Environment, OfAKubernetesServiceIsLeftAlone) {
  EXPECT_THAT(read_yaml("", {{"SWITCHGEAR_SERVICE_HOST", "10.0.0.1"},
                             {"SWITCHGEAR_PORT", "tcp://10.0.0.1:9400"},
                             {"SWITCHGEAR_PORT_9400_TCP", "tcp://10.0.0.1:9400"},
                             {"SWITCHGEAR_CONFIG", "x.yaml"}})
                  .warnings,
              IsEmpty());
}

TEST(Flag, OverridesFileAndEnvironment) {
  const Loaded loaded = read_yaml(kExample, {{"SWITCHGEAR_WORKER_CONCURRENCY", "7"}},
                                  {{"worker.concurrency", "9", "--concurrency"}});
  EXPECT_EQ(loaded.config.worker.concurrency, 9);
}

TEST(Flag, WithAWrongValueIsNamed) {
  EXPECT_EQ(problems_of("", {}, {{"worker.concurrency", "0", "--concurrency"}}),
            "--concurrency: is 0, but must be from 1 to 10000; write for example 50\n");
}

TEST(WorkersCircuit, IsThereWithDefaultsWhereTheFileDoesNotNameIt) {
  const Loaded loaded =
      read_yaml("worker: {circuit: refunds}", {{"SWITCHGEAR_CIRCUITS_REFUNDS_PROBES", "2"}});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_EQ(loaded.config.circuits.at("refunds").probes, 2);
}

TEST(WorkersCircuit, ThatLooksLikeAMisspeltOneIsAWarning) {
  const Loaded loaded =
      read_yaml("circuits: {payments-api: {probes: 2}}\nworker: {circuit: payment-api}");
  EXPECT_THAT(text(loaded.warnings), HasSubstr("did you mean `payments-api`?"));
}

TEST(Reading, GivesAKeyTheSettingsOfItsParent) {
  const Loaded loaded =
      read_yaml("circuits: {pay: {probes: 2, call_timeout: 7s}}\nworker: {circuit: pay/eu}");
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_EQ(loaded.config.circuits.at("pay/eu").probes, 2);
  EXPECT_EQ(loaded.config.circuits.at("pay/eu").call_timeout, Duration(7s));
  EXPECT_EQ(loaded.config.worker.handler_timeout, Duration(7s));
}

TEST(HandlersTimeout, IsTheCallTimeoutOfTheWorkersCircuit) {
  const Config by_handler =
      read_yaml("worker: {circuit: a, handler_timeout: 7s}\ncircuits: {b: {}}").config;
  EXPECT_EQ(by_handler.circuits.at("a").call_timeout, Duration(7s));
  EXPECT_EQ(by_handler.circuits.at("b").call_timeout, Policy{}.call_timeout);

  const Config by_circuit =
      read_yaml("worker: {circuit: a}\ncircuits: {a: {call_timeout: 7s}}").config;
  EXPECT_EQ(by_circuit.worker.handler_timeout, Duration(7s));
}

TEST(HandlersTimeout, ThatDiffersFromTheCircuitsIsAProblem) {
  EXPECT_EQ(problems_of("worker: {circuit: a, handler_timeout: 7s}\n"
                        "circuits: {a: {call_timeout: 8s}}"),
            "switchgear.yaml:2:30: circuits.a.call_timeout: is 8s, but worker.handler_timeout, "
            "which for the circuit of the worker is the same, is 7s; remove one of the two\n");
}

TEST(HandlersTimeout, ThatIsTooLongForACircuitIsAProblemWhereItIsWritten) {
  EXPECT_EQ(problems_of("worker: {circuit: a, handler_timeout: 20m}"),
            "switchgear.yaml:1:39: worker.handler_timeout: is 20m, but must be from 1ms to 15m; "
            "write for example 10s\n");
}

TEST(File, ThatIsNotThereIsAnErrorWithTheFix) {
  const auto missing = read_file("no/such/switchgear.yaml");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("No such file or directory"));
  EXPECT_THAT(missing.error().message, HasSubstr("--config"));
  EXPECT_FALSE(read_file("/"));
}

}  // namespace
}  // namespace switchgear::config
