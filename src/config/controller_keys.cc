#include <string_view>
#include <utility>

#include "config/key_makers.h"

namespace switchgear::config {
namespace {

std::optional<std::string> problem_with_alarm(std::string_view name) {
  if (name.starts_with("arn:")) {
    return in_quotes(name) + " is an ARN; write the alarm's name, which follows :alarm: in it";
  }
  constexpr std::size_t kCharactersMax = 255;
  if (name.size() > kCharactersMax) {
    return in_quotes(name) + " is longer than the 255 characters of an alarm's name";
  }
  if (printable(name) == name) return std::nullopt;
  return in_quotes(name) + " contains a control character, which no alarm's name does; remove it";
}

// Which of the three kinds a text is, the service tells.
std::optional<std::string> problem_with_mapping(std::string_view text) {
  if (text.find("://") != std::string_view::npos) {
    return in_quotes(text) + " is a URL; write the ARN of the queue or another source instead";
  }
  if (printable(text) == text && text.find(' ') == std::string_view::npos) return std::nullopt;
  return in_quotes(text) +
         " contains a space or control character; write a UUID, the ARN of a source, or the name "
         "or ARN of a function";
}

Read<std::string> read_parking_queue(const std::string& text) {
  if (text.empty()) return text;
  const bool standard = text.starts_with("arn:") && text.find(":sqs:") != std::string::npos &&
                        !text.ends_with(".fifo");
  if (standard && printable(text) == text && text.find(' ') == std::string::npos) return text;
  return tl::unexpected(in_quotes(text) +
                        " is not the ARN of a standard queue; write one, for example "
                        "arn:aws:sqs:eu-central-1:123456789012:payments-parked");
}

std::vector<Key<ControlledCircuit>> make_controlled_circuit_keys() {
  using C = ControlledCircuit;
  const auto at = [](auto member) {
    return [member](auto& circuit) -> auto& { return circuit.*member; };
  };
  std::vector<Key<C>> keys;
  const auto add = [&](Key<C> k) { keys.push_back(std::move(k)); };

  add(choice<C, Evidence>("evidence", at(&C::evidence), {"alarm", "trial", "circuit"},
                          "Whom the circuit's state follows: with alarm, CloudWatch alarms open it "
                          "and tell when to try again; with trial, alarms open it and trial "
                          "messages alone close it; with circuit, it follows the fleet that calls "
                          "the dependency."));
  add(list<C>("alarms", at(&C::alarms), problem_with_alarm,
              "Names of CloudWatch alarms, any of which opens the circuit. At least one, but none "
              "with evidence: circuit."));
  add(list<C>("mappings", at(&C::mappings), problem_with_mapping,
              "The event source mappings to switch off and on, at least one: a UUID, the ARN of a "
              "source, the name or ARN of a function."));
  add(choice<C, HalfOpen>("half_open", at(&C::half_open), {"trial", "limited"},
                          "How to find out whether the dependency is well while the mappings are "
                          "off: with trial, one message at a time, which the controller receives "
                          "and gives to the function; with limited, the mapping itself, on for a "
                          "while with the least that it can be limited to."));
  add(duration<C>("ramp_step", at(&C::ramp_step), {"1s", "1h"},
                  "Time between two steps of the ramp, and how long the limited half-open lasts. "
                  "At least as long as detection takes, which for alarms of one-minute metrics is "
                  "some minutes."));
  add(boolean<C>("accept_loss", at(&C::accept_loss),
                 "Whether mappings of streams are switched off although records are lost by it: "
                 "where MaximumRecordAgeInSeconds or MaximumRetryAttempts is finite, or the "
                 "starting position is LATEST. Otherwise they stay on."));
  add(boolean<C>(
      "raise_retention", at(&C::raise_retention),
      "Whether a queue's retention is raised to 14 days once half of it has passed while "
      "its mappings are off."));
  add(text_key<C>("parking_queue", Kind::text, at(&C::parking_queue), read_parking_queue,
                  "ARN of a standard queue, for this circuit alone, to which messages are moved "
                  "that would expire, and from which they come back. Empty: none is parked."));
  add(integer<C>("uncapped_limit", at(&C::uncapped_limit), {"2", "1000"},
                 "A mapping without a cap of its own counts as this while ramped up; the cap then "
                 "goes."));
  add(duration<C>("alarm_interval", at(&C::alarm_interval), {"1s", "10m"},
                  "Time between two looks at the alarms."));
  add(duration<C>("mapping_interval", at(&C::mapping_interval), {"1s", "1h"},
                  "Time between two looks at the mappings while all is well."));
  return keys;
}

}  // namespace

const std::vector<Key<ControlledCircuit>>& controlled_circuit_keys() {
  static const auto keys = make_controlled_circuit_keys();
  return keys;
}

}  // namespace switchgear::config
