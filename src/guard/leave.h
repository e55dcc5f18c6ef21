// What a call holds between its admission and its outcome. Plain data, part of a Permit.
#pragma once

#include <cstdint>

namespace switchgear::guard {

struct Leave {
  enum class Way : std::uint8_t {
    pass,    // nobody watches: mode off, or the circuit's end
    gate,    // admitted by the gate alone
    member,  // admitted by the member, which counts on hearing of the end
  };
  enum class Timing : std::uint8_t { none, ticks, clock };

  Way way;
  Timing timing;
  std::uint8_t kind;      // member: fleet::PermitKind
  std::int32_t slot;      // member: of a probe
  std::uint32_t token;    // member: of a probe
  std::uint64_t word;     // gate: its word; member: the epoch
  std::int64_t started;   // ticks, or ns of the monotonic clock
  std::int64_t acquired;  // member: fleet::HoldTime
};

}  // namespace switchgear::guard
