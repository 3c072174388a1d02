#include "rows/checksums.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/crc32c.h"
#include "base/error.h"

namespace relhop {

void RecordChecksums::check_blocks(std::span<const std::byte> bytes, uint64_t first_block) const {
  constexpr size_t kAtOnce = 48;
  const uint64_t begin = first_block * kChecksumBlock;
  if (first_block > size / kChecksumBlock || bytes.size() > size - begin ||
      checksums.size() != (size + kChecksumBlock - 1) / kChecksumBlock ||
      (bytes.size() % kChecksumBlock != 0 && begin + bytes.size() != size))
    throw std::invalid_argument("blocks that '" + path + "' does not have");
  std::array<uint32_t, kAtOnce> found;
  for (uint64_t block = first_block; !bytes.empty();) {
    const auto part = bytes.first(std::min(bytes.size(), kAtOnce * kChecksumBlock));
    crc32c_blocks(part, kChecksumBlock, found.data());
    const auto expected = checksums.subspan(block, (part.size() + kChecksumBlock - 1) / kChecksumBlock);
    const auto differing = std::ranges::mismatch(expected, found).in1;
    if (differing != expected.end()) {
      block += static_cast<uint64_t>(differing - expected.begin());
      const uint64_t from = block * kChecksumBlock;
      throw CorruptStore("'" + path + "': block " + std::to_string(block) + " (bytes " + std::to_string(from) + " to " +
                         std::to_string(std::min(from + kChecksumBlock, size) - 1) +
                         ") is damaged: its checksum does not fit; the first row in it is " +
                         std::to_string(row_of(slots, from / record_size)) + "; build the store again");
    }
    block += expected.size();
    bytes = bytes.subspan(part.size());
  }
}

uint64_t row_of(const PackedRows& slots, uint64_t record) {
  for (uint64_t row = 0; slots.data != nullptr && row < slots.size; ++row)
    if (slots[row] == record) return row;
  return record;
}

}  // namespace relhop
