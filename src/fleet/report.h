// A report: an immutable, self-identifying note of failed calls. The evidence of a circuit is a
// set of reports, so adding one twice is adding it once, and order does not matter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/time.h"

namespace switchgear::fleet {

// Identity of one process start: 48 random bits, given from outside.
struct InstanceId {
  std::uint64_t value = 0;
  friend auto operator<=>(const InstanceId&, const InstanceId&) = default;
};
std::string to_string(InstanceId);  // 12 hexadecimal digits
Result<InstanceId> instance_from_string(std::string_view);

struct Report {
  StoreTime sent{};                   // the store's time at the first attempt to send
  std::chrono::milliseconds span{0};  // from its first failure to its last
  InstanceId instance{};
  std::uint32_t seq = 0;       // (instance, seq) is the report's identity
  std::uint32_t failures = 0;  // hard failures, overload not included
  std::uint32_t overloads = 0;
  std::uint32_t slow = 0;      // slow calls, whatever their outcome
  std::uint32_t thinning = 0;  // each event was reported with probability 2^-thinning
  // For how long from `sent` on the dependency asked not to be called; 0: it did not ask.
  std::uint32_t retry_after_ms = 0;

  // "t.d.inst.seq.k.o.s.j", with ".r" behind it where the dependency asked for a pause; decimal but
  // for inst. At most 111 characters.
  std::string encode() const;
  static Result<Report> decode(std::string_view);
  friend bool operator==(const Report&, const Report&) = default;
};

// What one instance reported, thinning undone.
struct ReporterShare {
  InstanceId instance{};
  double failures = 0;
  friend bool operator==(const ReporterShare&, const ReporterShare&) = default;
};

// The evidence kept per circuit: the newest reports by time of sending.
inline constexpr std::size_t kReportsMax = 64;
// A report whose time is outside [store time - 10 s, + 1 s] is refused by the store.
inline constexpr std::chrono::milliseconds kReportAgeMax{10'000};
inline constexpr std::chrono::milliseconds kReportAheadMax{1'000};

}  // namespace switchgear::fleet
