// The tags of mappings: the copy of the ledger that people see, and that is left if the store is
// lost.
#include <charconv>
#include <utility>

#include "controller/control_errors.h"
#include "controller/reconciler.h"

namespace switchgear::controller {
namespace {

using fleet::HoldTime;

constexpr std::string_view kOwnerTag = "switchgear:owner";
constexpr std::string_view kCircuitTag = "switchgear:circuit";
constexpr std::string_view kEpochTag = "switchgear:epoch";
constexpr std::string_view kBeforeTag = "switchgear:before";

std::string tag(const std::map<std::string, std::string>& tags, std::string_view name) {
  const auto found = tags.find(std::string(name));
  return found == tags.end() ? "" : found->second;
}

// 0: none.
std::int64_t number(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::optional<Action> Reconciler::tag_action(HoldTime h) {
  if (!tags_may_be_written_) return std::nullopt;
  const bool as_before = target(h).gate == Gate::as_before;
  for (auto& [uuid, known] : mappings_) {
    if (h < known.not_before || known.mapping.arn.empty()) continue;
    const auto entry = ledger_.entries.find(uuid);
    if (entry == ledger_.entries.end()) continue;
    const bool back = as_before || entry->second.left_alone;
    // Of a mapping that was off before there is nothing to say.
    if (!back && entry->second.before.enabled && known.tags != Known::Tags::set) {
      asked_for_ = uuid;
      return TagAction{uuid,
                       known.mapping.arn,
                       {{std::string(kOwnerTag), to_string(self_)},
                        {std::string(kCircuitTag), options_.name},
                        {std::string(kEpochTag), std::to_string(ledger_.adopted_epoch)},
                        {std::string(kBeforeTag), encode(entry->second.before)}}};
    }
    if (back && known.tags != Known::Tags::none &&
        (entry->second.left_alone || entry->second.done)) {
      asked_for_ = uuid;
      return UntagAction{uuid,
                         known.mapping.arn,
                         {std::string(kOwnerTag), std::string(kCircuitTag), std::string(kEpochTag),
                          std::string(kBeforeTag)}};
    }
  }
  return std::nullopt;
}

void Reconciler::tagged(const Result<void>& result, const Now& now) {
  const HoldTime h = clock_.advance(now);
  const bool set = awaiting_ && std::holds_alternative<TagAction>(*awaiting_);
  awaiting_.reset();
  const auto known = mappings_.find(asked_for_);
  if (known == mappings_.end()) return;
  if (result) {
    known->second.tags = set ? Known::Tags::set : Known::Tags::none;
    return;
  }
  if (result.error().code == "ResourceNotFoundException") {
    known->second.tags = Known::Tags::none;
    known->second.look = h;
    return;
  }
  if (is_throttle(result.error()) || result.error().retryable || is_in_use(result.error())) {
    control_plane_failed(result.error(), "tags of the mapping " + asked_for_, h);
    return;
  }
  tags_may_be_written_ = false;
  notice(ops::LogLevel::warn,
         "mappings cannot be tagged, so only the store knows what they were before: " +
             result.error().text() + "; allow lambda:TagResource and lambda:UntagResource");
}

bool Reconciler::store_knows_nothing() const {
  return ledger_.adopted_epoch == 0 && !ledger_.tags_read;
}

// A mapping that is off, of which the store knows nothing: its tags tell if it was us. Where the
// store knows nothing at all, one that is on may be limited by us.
std::optional<Action> Reconciler::recover_action() {
  if (recovered_) return std::nullopt;
  for (auto& [uuid, known] : mappings_) {
    const bool all = store_knows_nothing();
    if ((known.mapping.settings.enabled && !all) || ledger_.entries.contains(uuid)) continue;
    if (known.tags != Known::Tags::unknown || known.mapping.arn.empty()) continue;
    asked_for_ = uuid;
    return ReadTagsAction{uuid, known.mapping.arn};
  }
  // Those that could not be listed are still to come.
  recovered_ = listed_.size() >= options_.mappings.size();
  if (recovered_ && store_knows_nothing()) {
    ledger_.tags_read = true;
    must_write_ = true;
    notice(ops::LogLevel::info, "looked through the tags of " + std::to_string(mappings_.size()) +
                                    " mappings for what an earlier store knew");
  }
  return std::nullopt;
}

void Reconciler::tags_answered(const Result<std::map<std::string, std::string>>& tags,
                               const Now& now) {
  const HoldTime h = clock_.advance(now);
  awaiting_.reset();
  const auto known = mappings_.find(asked_for_);
  if (known == mappings_.end()) return;
  if (!tags) {
    if (tags.error().code == "ResourceNotFoundException") {
      known->second.tags = Known::Tags::none;
      return;
    }
    if (is_throttle(tags.error()) || tags.error().retryable || is_in_use(tags.error())) {
      control_plane_failed(tags.error(), "tags of the mapping " + asked_for_, h);
      return;
    }
    recovered_ = true;
    notice(ops::LogLevel::warn,
           "tags of mappings cannot be read, so only the store knows what they were before: " +
               tags.error().text() + "; allow lambda:ListTags");
    return;
  }
  known->second.tags = Known::Tags::none;
  const auto before = decode_settings(tag(*tags, kBeforeTag));
  if (tag(*tags, kCircuitTag) != options_.name || !before) return;
  // Of an outage that the ledger knows to be over: left behind, and off for another reason.
  if (number(tag(*tags, kEpochTag)) <= ledger_.adopted_epoch) return;
  known->second.tags = Known::Tags::set;
  ledger_.entries[asked_for_] = {
      .before = *before, .wanted = part_of(known->second.mapping.settings, *before), .done = true};
  must_write_ = true;
  notice(ops::LogLevel::warn,
         "the store knew nothing of the mapping " + asked_for_ +
             ", but its tags say that this circuit had changed it; before: " + describe(*before));
}

}  // namespace switchgear::controller
