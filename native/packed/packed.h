// Row numbers in as few bits as their table needs: element i is bits [i * width, (i + 1) * width) of a little-endian
// stream. The stream is padded, so that an 8-byte load at any element stays inside.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/branchless.h"

namespace relhop {

static_assert(std::endian::native == std::endian::little);

// Bits for the numbers below `count` and one more, the largest, that stands for "no row". Wider than 57 bits an element
// could span nine bytes, so it then takes 64.
constexpr uint32_t width_of(uint64_t count) {
  const auto width = static_cast<uint32_t>(std::bit_width(count | 1));
  return width > 57 ? 64 : width;
}

constexpr uint64_t packed_bytes(uint64_t size, uint32_t width) {
  return 8 * (size / 64 * width + (size % 64 * width + 63) / 64) + 8;
}

inline uint64_t load_bits(const uint8_t* data, uint64_t bit, uint64_t mask) {
  uint64_t word;
  std::memcpy(&word, data + (bit >> 3), sizeof word);
  return (word >> (bit & 7)) & mask;
}

// Numbers that are not in memory.
class Elements {
 public:
  virtual ~Elements() = default;
  // values[i] = that at places[i], which exists. Any number of threads may ask. Throws IoError.
  virtual void gather(std::span<const uint64_t> places, std::vector<uint64_t>& values) const = 0;
};

struct PackedRows {
  const uint8_t* data = nullptr;
  uint64_t size = 0;
  uint32_t width = 64;
  uint64_t mask = UINT64_MAX;

  PackedRows() = default;
  // Throws CorruptStore where `bytes` is not what size and width demand.
  PackedRows(std::span<const uint8_t> bytes, uint64_t size, uint32_t width);

  uint64_t operator[](uint64_t i) const { return load_bits(data, i * width, mask); }
  // The value that stands for "no row".
  uint64_t none() const { return mask; }
  void prefetch(uint64_t i) const { __builtin_prefetch(data + (i * width >> 3)); }
  // How many of the ascending rows [begin, end) are < bound.
  uint64_t count_below(uint64_t begin, uint64_t end, uint64_t bound) const {
    const uint64_t first = begin;
    for (uint64_t length = end - begin; length > 0;) {
      const uint64_t half = (length + 1) / 2;
      length -= half;
      begin += only_if((*this)[begin + half - 1] < bound, half);
    }
    return begin - first;
  }
};

// The stream of some rows, padded. Throws std::invalid_argument on a row that does not fit, or a width that is none.
std::vector<uint8_t> pack(std::span<const uint64_t> rows, uint32_t width);

}  // namespace relhop
