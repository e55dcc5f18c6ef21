#include "controller/plan.h"

#include <algorithm>
#include <cmath>

namespace switchgear::controller {

std::string_view to_string(Gate gate) {
  switch (gate) {
    case Gate::as_before:
      return "as before";
    case Gate::off:
      return "off";
    case Gate::limited:
      return "limited";
    case Gate::ramp:
      return "ramp";
  }
  return "as before";
}

bool may_be_tried(const Mapping& mapping) {
  const SourceKind kind = mapping.kind();
  return (kind == SourceKind::sqs || kind == SourceKind::sqs_fifo) && !mapping.filters;
}

int full_limit(const Settings& before, int uncapped_limit) {
  return std::max(before.limit.value_or(uncapped_limit), kLimitMin);
}

double ramp_end(const std::map<std::string, Entry>& entries, int uncapped_limit) {
  double sum = 0;
  for (const auto& [uuid, entry] : entries) {
    if (entry.before.enabled && !entry.left_alone) sum += full_limit(entry.before, uncapped_limit);
  }
  return sum;
}

std::map<std::string, Settings> ramp_shares(double limit,
                                            const std::map<std::string, Entry>& entries,
                                            int uncapped_limit) {
  std::map<std::string, Settings> shares;
  struct Share {
    const std::string* uuid;
    const Settings* before;
    int full;
  };
  std::vector<Share> on;
  // The least there is goes to the first mapping, or nothing would ever run.
  const auto places = static_cast<std::size_t>(std::max(1.0, std::floor(limit / kLimitMin)));
  double room = 0;  // above the least
  for (const auto& [uuid, entry] : entries) {
    if (!entry.before.enabled || entry.left_alone) continue;
    if (on.size() == places) break;
    on.push_back({&uuid, &entry.before, full_limit(entry.before, uncapped_limit)});
    room += on.back().full - kLimitMin;
  }
  const double spare = std::max(0.0, limit - static_cast<double>(kLimitMin * on.size()));
  for (const Share& share : on) {
    const double part = room > 0 ? spare * (share.full - kLimitMin) / room : 0;
    const int given = std::min(share.full, kLimitMin + static_cast<int>(part));
    Settings settings = *share.before;
    if (given < share.full) settings.limit = given;
    shares.emplace(*share.uuid, settings);
  }
  return shares;
}

bool must_run(SourceKind kind, Duration off_for) {
  const Duration most = rest_max(kind);
  return most != Duration::max() && off_for >= most * 4 / 5;
}

namespace {

Settings switched_off(Settings settings) {
  settings.enabled = false;
  return settings;
}

Settings least(Settings settings, bool limitable) {
  if (!settings.enabled) return settings;
  if (limitable) settings.limit = kLimitMin;
  settings.batch_size = 1;
  if (settings.window_s) settings.window_s = 0;
  if (settings.parallelization_factor) settings.parallelization_factor = 1;
  return settings;
}

}  // namespace

std::map<std::string, Settings> wanted_settings(const Target& target, const Ledger& ledger,
                                                const FindMapping& find,
                                                const CircuitOptions& options) {
  std::map<std::string, Settings> wanted;
  const auto shares = target.gate == Gate::ramp
                          ? ramp_shares(target.limit, ledger.entries, options.uncapped_limit)
                          : std::map<std::string, Settings>{};
  for (const auto& [uuid, entry] : ledger.entries) {
    const Mapping* mapping = entry.left_alone && entry.done ? nullptr : find(uuid);
    if (!mapping) continue;
    if (entry.left_alone) {
      // What only we had limited is to go back first.
      wanted.emplace(uuid, entry.before);
      continue;
    }
    const bool limitable = mapping->limitable();
    Settings settings = entry.before;
    const auto share = shares.find(uuid);
    const Settings off = must_run(mapping->kind(), target.off_for) ? least(settings, limitable)
                                                                   : switched_off(settings);
    switch (target.gate) {
      case Gate::as_before:
        break;
      case Gate::off:
        settings = off;
        break;
      case Gate::limited:
        settings = least(settings, limitable);
        break;
      case Gate::ramp:
        if (share == shares.end()) {
          settings = off;
        } else {
          settings = share->second;
          if (!limitable) settings.limit = entry.before.limit;
        }
        break;
    }
    wanted.emplace(uuid, settings);
  }
  return wanted;
}

Step next_step(const Mapping& mapping, const Entry& entry, const Settings& wanted) {
  if (mapping.changing) return Step::wait;
  const bool as_entry = is_as(mapping.settings, entry.wanted);
  if (!entry.done) {
    // What was meant for an earlier state of the circuit is not asked for any more.
    if (entry.wanted != wanted) return Step::intend;
    return as_entry ? Step::seen : Step::ask;
  }
  if (!as_entry) return Step::person;
  return is_as(mapping.settings, wanted) && entry.wanted == wanted ? Step::none : Step::intend;
}

}  // namespace switchgear::controller
