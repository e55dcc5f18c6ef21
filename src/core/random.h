// A small seeded generator and a hash. Deterministic: the seed comes from outside, so a failing
// run can be repeated. Not for secrets.
#pragma once

#include <cstdint>
#include <string_view>

namespace switchgear::core {

// SplitMix64 finaliser: a good 64-bit mix (Steele, Lea, Flood 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
constexpr std::uint64_t hash2(std::uint64_t a, std::uint64_t b) { return mix64(mix64(a) ^ b); }

// FNV-1a, 64 bit: a stable fingerprint of text, the same on every machine and version.
constexpr std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

// Uniform in [0, 1) from the top 53 bits.
constexpr double to_unit(std::uint64_t x) { return static_cast<double>(x >> 11) * 0x1.0p-53; }

// SplitMix64 as a generator. Cheap to copy; not thread-safe.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}
  constexpr std::uint64_t next() {
    const std::uint64_t x = mix64(state_);
    state_ += 0x9e3779b97f4a7c15ULL;
    return x;
  }
  // Uniform in [0, 1).
  constexpr double unit() { return to_unit(next()); }
  // Uniform in [low, high].
  constexpr double between(double low, double high) { return low + (high - low) * unit(); }
  // Uniform in [0, n); n > 0.
  constexpr std::uint64_t below(std::uint64_t n) { return next() % n; }
  constexpr bool chance(double p) { return unit() < p; }

 private:
  std::uint64_t state_;
};

}  // namespace switchgear::core
