// A table's ascending times in a few bits each: blocks of 128 rows, each a base and the rows' distances from it in the
// block's own unit. (Frame of reference: Goldstein, Ramakrishnan, Shaft, ICDE 1998.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "packed/packed.h"

namespace relhop {

struct TimeBlock {
  int64_t base = 0;
  uint64_t unit = 1;    // what all distances of the block are multiples of
  uint64_t packed = 0;  // the width of a distance (lowest 8 bits), and where the block's distances begin in the stream

  uint32_t width() const { return static_cast<uint32_t>(packed & 0xFF); }
  uint64_t begin() const { return packed >> 8; }
};
static_assert(sizeof(TimeBlock) == 24);

inline constexpr uint64_t kTimeBlock = 128;

struct EncodedTimes {
  std::vector<TimeBlock> blocks;
  std::vector<uint8_t> stream;  // not padded: pieces are written one after another, then 8 bytes of zeros
};

// A piece of a table's times; all pieces but the last hold a multiple of kTimeBlock rows. `begin` is the length of the
// stream so far.
EncodedTimes encode_times(std::span<const int64_t> times, uint64_t begin);

class PackedTimes {
 public:
  PackedTimes() = default;
  // Throws CorruptStore where a block lies outside the stream.
  PackedTimes(std::span<const TimeBlock> blocks, std::span<const uint8_t> stream, uint64_t num_rows);

  uint64_t size() const { return num_rows_; }
  int64_t operator[](uint64_t row) const { return at(blocks_[row / kTimeBlock], row % kTimeBlock); }
  // The two steps towards a row's memory: the second waits for the first one's.
  void prefetch_block(uint64_t row) const {
    const TimeBlock& block = blocks_[row / kTimeBlock];
    __builtin_prefetch(&block.base);
    __builtin_prefetch(&block.packed);
  }
  void prefetch(uint64_t row) const {
    const TimeBlock& block = blocks_[row / kTimeBlock];
    __builtin_prefetch(stream_ + block.begin() + (row % kTimeBlock * block.width() >> 3));
  }
  // How many rows have time <= anchor.
  uint64_t count_until(int64_t anchor) const;
  // The same of many anchors, [anchors]; their searches overlap.
  void count_until(std::span<const int64_t> anchors, uint64_t* counts) const;

 private:
  int64_t at(const TimeBlock& block, uint64_t i) const {
    if (block.width() == 0) return block.base;
    return static_cast<int64_t>(static_cast<uint64_t>(block.base) + block.unit * distance(block, i));
  }
  // Of a width above 0, in the block's unit.
  uint64_t distance(const TimeBlock& block, uint64_t i) const {
    const uint32_t width = block.width();
    return load_bits(stream_, 8 * block.begin() + i * width, UINT64_MAX >> (64 - width));
  }
  // Of a block that begins at or before the anchor.
  uint64_t count_in_block(uint64_t number, int64_t anchor) const;

  static constexpr size_t kMostLandmarks = 16384;

  std::span<const TimeBlock> blocks_;
  // The bases of every 2^shift-th block: few enough to stay in a core's cache, where most of a search then is.
  std::vector<int64_t> landmarks_;
  uint32_t landmark_shift_ = 0;
  const uint8_t* stream_ = nullptr;
  uint64_t num_rows_ = 0;
};

}  // namespace relhop
