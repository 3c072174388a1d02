// Rows' records -> columns: picks fixed-size records out of a file in RAM or mapped, and takes them apart.
//
// A record holds int64 timestamps, then float32 numbers, then int32 category codes (docs/format.md). Immutable; any
// number of threads may gather.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/buffer.h"
#include "packed/packed.h"
#include "packed/times.h"

namespace relhop {

struct FeatureRows {
  Buffer<int64_t> timestamps;   // [rows, num_timestamps]
  Buffer<float> numerical;      // [rows, num_numerical]
  Buffer<int64_t> categorical;  // [rows, num_categorical]
  Buffer<int64_t> time;         // [rows], empty where the table has no time column
  Buffer<int64_t> position;     // [rows]: the place of the row in the user's input
};

struct FeatureTable {
  std::string name;
  std::span<const std::byte> records;
  size_t record_size = 0;
  size_t num_timestamps = 0, num_numerical = 0, num_categorical = 0;
  uint64_t num_rows = 0;
  bool timed = false;
  PackedTimes time;
  PackedRows order;  // row -> position; data is null where rows keep the input's order

  // Throws CorruptStore where sizes do not fit together.
  void check() const;
  // Throws std::out_of_range on a row that the table does not have.
  FeatureRows gather(std::span<const int64_t> rows) const;
};

}  // namespace relhop
