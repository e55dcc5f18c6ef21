#include "controller/ledger.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

namespace switchgear::controller {
namespace {

namespace json = boost::json;

constexpr std::int64_t kVersion = 1;
// An entry's marks, behind its two settings.
constexpr std::string_view kDone = "done";
constexpr std::string_view kLeftAlone = "left_alone";

Error unreadable(const std::string& what) {
  return {.code = "unreadable",
          .message = "the controller's note cannot be read: " + what +
                     "; it is left as it is, and no mapping is touched",
          .retryable = false,
          .source = "controller"};
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// As it was, and as it was but off, in short: there may be hundreds of entries.
constexpr std::string_view kAsBefore = "=";
constexpr std::string_view kOff = "off";

Settings off(Settings settings) {
  settings.enabled = false;
  return settings;
}

std::string encode_entry(const Entry& entry) {
  std::string text = encode(entry.before) + " ";
  if (entry.wanted == entry.before) {
    text += kAsBefore;
  } else if (entry.wanted == off(entry.before)) {
    text += kOff;
  } else {
    text += encode(entry.wanted);
  }
  if (entry.done) text += " " + std::string(kDone);
  if (entry.left_alone) text += " " + std::string(kLeftAlone);
  return text;
}

std::optional<Entry> decode_entry(std::string_view text) {
  const auto word = [&text] {
    const std::string_view first = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), first.size() + 1));
    return first;
  };
  Entry entry;
  const auto before = decode_settings(word());
  if (!before) return std::nullopt;
  const std::string_view second = word();
  const auto wanted = second == kAsBefore ? before
                      : second == kOff    ? std::optional(off(*before))
                                          : decode_settings(second);
  if (!wanted) return std::nullopt;
  entry.before = *before;
  entry.wanted = *wanted;
  while (!text.empty()) {
    const std::string_view mark = word();
    if (mark == kDone) {
      entry.done = true;
    } else if (mark == kLeftAlone) {
      entry.left_alone = true;
    } else {
      return std::nullopt;
    }
  }
  return entry;
}

}  // namespace

std::string encode(const Ledger& ledger) {
  json::object entries;
  for (const auto& [uuid, entry] : ledger.entries) entries[uuid] = encode_entry(entry);
  json::object queues;
  // Queues of one account and region are told by their names.
  std::string common;
  if (!ledger.queues.empty()) {
    const std::string& first = ledger.queues.begin()->first;
    common = first.substr(0, first.rfind(':') + 1);
    if (!std::ranges::all_of(ledger.queues,
                             [&](const auto& queue) { return queue.first.starts_with(common); })) {
      common.clear();
    }
  }
  for (const auto& [arn, queue] : ledger.queues) {
    json::array values{to_ms(queue.since), queue.before.count(), queue.wanted.count(),
                       queue.done ? 1 : 0};
    if (queue.parking || !queue.redrive.empty()) {
      values.emplace_back(queue.redrive);
      values.emplace_back(queue.parking ? 1 : 0);
    }
    queues[arn.substr(common.size())] = std::move(values);
  }
  json::object alarms;
  for (const auto& [name, at] : ledger.applied_alarms) alarms[name] = at;
  return json::serialize(
      json::object{{"v", kVersion},
                   {"owner", to_string(ledger.owner)},
                   {"lease_until", to_ms(ledger.lease_until)},
                   {"nonce", hex(ledger.nonce)},
                   {"adopted_epoch", ledger.adopted_epoch},
                   {"tags_read", ledger.tags_read},
                   {"announced_epoch", ledger.announced_epoch},
                   {"announced_state", std::string(to_string(ledger.announced_state))},
                   {"entries", std::move(entries)},
                   {"queue_prefix", common},
                   {"queues", std::move(queues)},
                   {"applied_alarms", std::move(alarms)}});
}

Result<Ledger> decode_ledger(const std::string& text) {
  json::error_code error;
  const json::value document = json::parse(text, error);
  if (error || !document.is_object()) return unreadable("it is no JSON object");
  const json::object& object = document.get_object();
  const auto integer = [&object](std::string_view name) -> std::optional<std::int64_t> {
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_int64()) return std::nullopt;
    return value->get_int64();
  };
  const auto word = [&object](std::string_view name) -> std::string {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
  };
  if (integer("v") != kVersion) {
    return unreadable("its version is not 1, so a newer controller has written it");
  }
  Ledger ledger;
  const auto owner = fleet::instance_from_string(word("owner"));
  if (!owner) return unreadable("owner is no instance");
  ledger.owner = *owner;
  const auto until = integer("lease_until");
  const auto adopted = integer("adopted_epoch");
  if (!until || !adopted) return unreadable("lease_until or adopted_epoch is no number");
  ledger.lease_until = store_time_ms(*until);
  ledger.adopted_epoch = *adopted;
  const json::value* tags_read = object.if_contains("tags_read");
  if (tags_read == nullptr || !tags_read->is_bool()) return unreadable("tags_read");
  ledger.tags_read = tags_read->get_bool();
  const auto announced = integer("announced_epoch");
  const auto announced_state = state_from_string(word("announced_state"));
  if (!announced || !announced_state) return unreadable("announced_epoch or announced_state");
  ledger.announced_epoch = *announced;
  ledger.announced_state = *announced_state;
  const std::string nonce = word("nonce");
  const char* const end = nonce.data() + nonce.size();
  if (nonce.empty() || std::from_chars(nonce.data(), end, ledger.nonce, 16).ptr != end) {
    return unreadable("nonce is no hexadecimal number");
  }
  const json::value* entries = object.if_contains("entries");
  if (entries == nullptr || !entries->is_object()) return unreadable("entries is no object");
  for (const auto& [uuid, value] : entries->get_object()) {
    const auto entry =
        value.is_string()
            ? decode_entry(std::string_view(value.get_string().data(), value.get_string().size()))
            : std::nullopt;
    if (!entry) return unreadable("the entry of " + std::string(uuid));
    ledger.entries.emplace(std::string(uuid), *entry);
  }
  const json::value* queues = object.if_contains("queues");
  if (queues == nullptr || !queues->is_object()) return unreadable("queues is no object");
  for (const auto& [arn, value] : queues->get_object()) {
    const json::array* values = value.if_array();
    constexpr std::size_t kNumbers = 4;
    const bool guarded = values && values->size() == kNumbers + 2 &&
                         (*values)[kNumbers].is_string() && values->back().is_int64();
    if (!values || (values->size() != kNumbers && !guarded) ||
        !std::all_of(values->begin(), values->begin() + kNumbers,
                     [](const json::value& n) { return n.is_int64(); })) {
      return unreadable("the queue " + std::string(arn));
    }
    const json::array& numbers = *values;
    ledger.queues[word("queue_prefix") + std::string(arn)] = {
        .since = store_time_ms(numbers[0].get_int64()),
        .before = std::chrono::seconds{numbers[1].get_int64()},
        .wanted = std::chrono::seconds{numbers[2].get_int64()},
        .done = numbers[3].get_int64() != 0,
        .redrive = guarded ? std::string(numbers[kNumbers].get_string()) : std::string(),
        .parking = guarded && numbers.back().get_int64() != 0};
  }
  const json::value* alarms = object.if_contains("applied_alarms");
  if (alarms == nullptr || !alarms->is_object()) return unreadable("applied_alarms is no object");
  for (const auto& [name, at] : alarms->get_object()) {
    if (!at.is_int64()) return unreadable("the time of the alarm " + std::string(name));
    ledger.applied_alarms.emplace(std::string(name), at.get_int64());
  }
  return ledger;
}

}  // namespace switchgear::controller
