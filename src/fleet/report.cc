#include "fleet/report.h"

#include "fleet/text.h"

namespace switchgear::fleet {

namespace {
constexpr std::uint64_t kInstanceMax = (std::uint64_t{1} << 48) - 1;

Error malformed(std::string_view text, const char* what) {
  return Error{
      .code = "unreadable",
      .message = std::string(what) + " in the report \"" + std::string(text.substr(0, 120)) + "\"",
      .retryable = false,
      .source = "record"};
}
}  // namespace

std::string to_string(InstanceId id) {
  std::string text(12, '0');
  for (int i = 11; i >= 0; --i, id.value >>= 4) {
    text[static_cast<std::size_t>(i)] = "0123456789abcdef"[id.value & 15];
  }
  return text;
}

Result<InstanceId> instance_from_string(std::string_view text) {
  const auto value = to_number<std::uint64_t>(text, 16);
  if (!value || *value > kInstanceMax) {
    return Error{.code = "unreadable",
                 .message = "not an instance id: \"" + std::string(text.substr(0, 40)) + "\"",
                 .retryable = false,
                 .source = "record"};
  }
  return InstanceId{*value};
}

std::string Report::encode() const {
  std::string text = std::to_string(to_ms(sent));
  text += '.';
  text += std::to_string(span.count());
  text += '.';
  text += to_string(instance);
  for (const std::uint32_t n : {seq, failures, overloads, slow, thinning}) {
    text += '.';
    text += std::to_string(n);
  }
  if (retry_after_ms > 0) text += '.' + std::to_string(retry_after_ms);
  return text;
}

Result<Report> Report::decode(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 8 && parts.size() != 9) return malformed(text, "not eight or nine parts");
  const auto sent = to_number<std::int64_t>(parts[0]);
  const auto span = to_number<std::int64_t>(parts[1]);
  const auto instance = instance_from_string(parts[2]);
  std::uint32_t numbers[6] = {};
  for (std::size_t i = 0; i + 3 < parts.size(); ++i) {
    const auto n = to_number<std::uint32_t>(parts[3 + i]);
    if (!n) return malformed(text, "not a count");
    numbers[i] = *n;
  }
  if (!sent || *sent < 0 || !span || *span < 0 || *span > *sent) {
    return malformed(text, "no valid time");
  }
  if (!instance) return malformed(text, "no valid instance");
  if (numbers[4] > 40) return malformed(text, "an impossible thinning");
  return Report{.sent = store_time_ms(*sent),
                .span = std::chrono::milliseconds{*span},
                .instance = *instance,
                .seq = numbers[0],
                .failures = numbers[1],
                .overloads = numbers[2],
                .slow = numbers[3],
                .thinning = numbers[4],
                .retry_after_ms = numbers[5]};
}

}  // namespace switchgear::fleet
