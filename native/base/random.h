// Counter-based random numbers: a draw is a pure function of its key and its index, so that a sample does not depend
// on threads, batches or machines.
//
// The mixer is the finalizer of SplitMix64 (Steele, Lea, Flood 2014, with Stafford's constants, variant 13), and a
// stream is SplitMix64 started at the key. Bounded draws are Lemire's (2019), with rejection, so exactly uniform.
#pragma once

#include <cstdint>

namespace relhop {

inline constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// The key of (everything in `key`, value); the order of folding matters.
constexpr uint64_t fold(uint64_t key, uint64_t value) { return mix(key ^ mix(value + kGolden)); }

// A random number as one in [0, bound).
constexpr uint64_t scaled(uint64_t random, uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(random) * bound) >> 64);
}

class Stream {
 public:
  explicit constexpr Stream(uint64_t key) : state_(key) {}

  constexpr uint64_t next() { return mix(state_ += kGolden); }

  // Uniform in [0, bound), bound >= 1. A bound of 1 consumes nothing.
  constexpr uint64_t below(uint64_t bound) { return bound == 1 ? 0 : drawn(bound); }
  // The same, bound >= 2.
  constexpr uint64_t drawn(uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    for (;;) {
      const Wide product = static_cast<Wide>(next()) * bound;
      const auto low = static_cast<uint64_t>(product);
      if (low >= bound || low >= (0 - bound) % bound) return static_cast<uint64_t>(product >> 64);
    }
  }

 private:
  uint64_t state_;
};

}  // namespace relhop
