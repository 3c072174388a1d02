// Rows that the consumer of batches has already, on another device: they need not be gathered for it.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/buffer.h"

namespace relhop {

// The rows of a batch, taken apart.
struct HeldSplit {
  Buffer<int64_t> slots;   // [rows]: of a held row its number among those that are held, of others 0
  Buffer<int64_t> places;  // of the others in the batch, ascending
  Buffer<int64_t> rows;    // [places]
};

// A bit a row, and every 64 rows how many were held before (Jacobson 1989): 2 bits a row of the table.
class HeldRows {
 public:
  // Throws std::invalid_argument where the rows do not ascend, or the table lacks one.
  HeldRows(std::span<const int64_t> rows, uint64_t num_rows)
      : size_(rows.size()), num_rows_(num_rows), blocks_(num_rows / kRows + 1) {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] < 0 || static_cast<uint64_t>(rows[i]) >= num_rows || (i != 0 && rows[i] <= rows[i - 1]))
        throw std::invalid_argument("row " + std::to_string(rows[i]) + " is not of a table of " +
                                    std::to_string(num_rows) + " rows, or not above the one before it");
      blocks_[static_cast<uint64_t>(rows[i]) / kRows].bits |= bit(static_cast<uint64_t>(rows[i]));
    }
    for (size_t i = 1; i < blocks_.size(); ++i)
      blocks_[i].before = blocks_[i - 1].before + static_cast<uint64_t>(std::popcount(blocks_[i - 1].bits));
  }

  size_t size() const { return size_; }
  uint64_t num_rows() const { return num_rows_; }

  // Rows that the table has.
  HeldSplit split(std::span<const int64_t> rows) const {
    HeldSplit split;
    split.slots.resize(rows.size());
    split.places.resize(rows.size());
    split.rows.resize(rows.size());
    size_t others = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i + kAhead < rows.size()) __builtin_prefetch(&block(static_cast<uint64_t>(rows[i + kAhead])));
      const auto row = static_cast<uint64_t>(rows[i]);
      const Block& of_row = block(row);
      const bool is_held = (of_row.bits & bit(row)) != 0;
      const uint64_t number = of_row.before + static_cast<uint64_t>(std::popcount(of_row.bits & (bit(row) - 1)));
      split.slots[i] = is_held ? static_cast<int64_t>(number) : 0;
      split.places[others] = static_cast<int64_t>(i);
      split.rows[others] = rows[i];
      others += !is_held;
    }
    split.places.resize(others);
    split.rows.resize(others);
    return split;
  }

 private:
  static constexpr uint64_t kRows = 64;
  static constexpr size_t kAhead = 16;

  struct Block {
    uint64_t bits = 0, before = 0;
  };

  static uint64_t bit(uint64_t row) { return uint64_t{1} << row % kRows; }
  const Block& block(uint64_t row) const { return blocks_[row / kRows]; }

  size_t size_;
  uint64_t num_rows_;
  std::vector<Block> blocks_;
};

}  // namespace relhop
