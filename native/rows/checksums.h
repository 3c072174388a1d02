// The checksums of a file of records, rows.crc (docs/format.md): CRC-32C of each block of 4096 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "packed/packed.h"

namespace relhop {

constexpr size_t kChecksumBlock = 4096;

// What a file of records should hold, and what is said of a block that does not.
struct RecordChecksums {
  std::string path;    // of the records
  uint64_t size;       // of that file
  size_t record_size;  // at least 1
  std::span<const uint32_t> checksums;
  PackedRows slots;  // row -> record; data is null where that is the same

  // Compares blocks of the file, from `first_block` on and whole but for the file's last, with their checksums; throws
  // CorruptStore naming the file, the first damaged block and the first row in it.
  void check_blocks(std::span<const std::byte> bytes, uint64_t first_block) const;
};

// The row that has the record, found by looking at all of them: for messages. `slots` are those of RecordChecksums.
uint64_t row_of(const PackedRows& slots, uint64_t record);

}  // namespace relhop
