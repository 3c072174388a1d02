// Rows' records -> columns: picks fixed-size records out of a file in RAM or mapped, and takes them apart.
//
// Immutable; any number of threads may gather.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "packed/packed.h"
#include "packed/times.h"
#include "rows/records.h"

namespace relhop {

struct FeatureTable {
  std::string name;
  std::span<const std::byte> records;
  RecordLayout layout;
  uint64_t num_rows = 0;
  PackedRows slots;  // row -> record; data is null where records keep the rows' order
  bool timed = false;
  PackedTimes time;
  PackedRows order;  // row -> position; data is null where rows keep the input's order

  // Throws CorruptStore where sizes do not fit together.
  void check() const;
  // Throws std::out_of_range on a row that the table does not have.
  FeatureRows gather(std::span<const int64_t> rows) const;
};

}  // namespace relhop
