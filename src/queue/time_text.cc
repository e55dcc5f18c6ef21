#include "queue/time_text.h"

#include <cstdio>
#include <ctime>

namespace switchgear::queue {

std::string utc_text(WallTime time) {
  const std::time_t whole =
      std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm broken_down{};
  ::gmtime_r(&whole, &broken_down);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &broken_down);
  return std::string(text, size);
}

}  // namespace switchgear::queue
