#include "packed/packed.h"

#include <stdexcept>
#include <string>

#include "base/error.h"

namespace relhop {

PackedRows::PackedRows(std::span<const uint8_t> bytes, uint64_t size, uint32_t width)
    : data(bytes.data()), size(size), width(width), mask(width >= 64 ? UINT64_MAX : (uint64_t{1} << width) - 1) {
  if (width == 0 || (width > 57 && width != 64))
    throw CorruptStore("rows of " + std::to_string(width) + " bits; 1 to 57 and 64 can be read");
  if (size >> 56 != 0 || bytes.size() != packed_bytes(size, width))
    throw CorruptStore(std::to_string(bytes.size()) + " bytes for " + std::to_string(size) + " rows of " +
                       std::to_string(width) + " bits");
}

std::vector<uint8_t> pack(std::span<const uint64_t> rows, uint32_t width) {
  if (width == 0 || (width > 57 && width != 64))
    throw std::invalid_argument("rows cannot be packed to " + std::to_string(width) + " bits");
  std::vector<uint8_t> bytes(packed_bytes(rows.size(), width));
  uint64_t word = 0, filled = 0;
  uint8_t* out = bytes.data();
  for (const uint64_t row : rows) {
    if (width < 64 && row >> width != 0)
      throw std::invalid_argument("row " + std::to_string(row) + " does not fit " + std::to_string(width) + " bits");
    word |= row << filled;
    filled += width;
    if (filled >= 64) {
      std::memcpy(out, &word, sizeof word);
      out += sizeof word;
      filled -= 64;
      word = filled == 0 ? 0 : row >> (width - filled);
    }
  }
  if (filled > 0) std::memcpy(out, &word, sizeof word);
  return bytes;
}

}  // namespace relhop
