#include "queue/visibility.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <string>

namespace switchgear::queue {

using std::chrono::seconds;

seconds visibility(Duration wish, Duration cap, Duration since_receive) {
  const seconds left = kVisibilityMax - std::chrono::ceil<seconds>(std::clamp<Duration>(
                                            since_receive, Duration::zero(), kVisibilityMax));
  if (left < 1s) return 0s;
  const seconds most = std::max(1s, std::min(left, std::chrono::floor<seconds>(cap)));
  // Clamped before rounding up: the largest durations would overflow.
  return std::clamp(std::chrono::ceil<seconds>(std::min<Duration>(wish, kVisibilityMax)), 1s, most);
}

seconds back_off(const core::Backoff& backoff, int receive_count, Duration since_receive,
                 core::Random& random) {
  const auto attempt = static_cast<std::uint64_t>(std::max(receive_count, 1));
  return visibility(core::delay(backoff, attempt, random), backoff.cap, since_receive);
}

seconds hide_while_open(Duration retry_after, Duration since_receive, core::Random& random) {
  const Duration wait = std::clamp<Duration>(retry_after, Duration::zero(), kVisibilityMax);
  const double spread = static_cast<double>((wait / 4 + 1s).count()) * random.unit();
  return visibility(wait + Duration(static_cast<Duration::rep>(spread)), kVisibilityMax,
                    since_receive);
}

std::optional<Duration> parse_retry_after(std::string_view value, WallTime now) {
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (value.empty() || value.size() > 64) return std::nullopt;

  if (std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    std::int64_t whole = 0;
    const auto error = std::from_chars(value.data(), value.data() + value.size(), whole).ec;
    constexpr std::int64_t kYear = 31'536'000;  // in seconds
    if (error != std::errc{} || whole > kYear) whole = kYear;
    return seconds(whole);
  }
  const std::string text(value);
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"}) {
    std::tm broken_down{};
    const char* end = ::strptime(text.c_str(), format, &broken_down);
    if (end == nullptr || *end != '\0') continue;
    const std::int64_t since_1970 = ::timegm(&broken_down);
    constexpr std::int64_t kYear2262 = 9'000'000'000;
    const WallTime date{seconds(std::clamp<std::int64_t>(since_1970, 0, kYear2262))};
    return std::max<Duration>(date - now, Duration::zero());
  }
  return std::nullopt;
}

}  // namespace switchgear::queue
