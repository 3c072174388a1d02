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
  // The same of a stream of so many bytes on disk, of which `words` has each 8, little-endian, but for the last few.
  PackedTimes(std::span<const TimeBlock> blocks, const Elements& words, uint64_t stream_bytes, uint64_t num_rows);

  uint64_t size() const { return num_rows_; }
  bool is_on_disk() const { return words_ != nullptr; }
  // out[i] = the time of rows[i], which the table has. Throws IoError where times are on disk.
  void take(std::span<const int64_t> rows, int64_t* out) const;
  // How many rows have time <= anchor.
  uint64_t count_until(int64_t anchor) const;
  // The same of many anchors, [anchors]; their searches overlap.
  void count_until(std::span<const int64_t> anchors, uint64_t* counts) const;

 private:
  void check(uint64_t stream_bytes);
  const TimeBlock& block_of(int64_t row) const { return blocks_[static_cast<uint64_t>(row) / kTimeBlock]; }
  // In the stream.
  static uint64_t bit_of(const TimeBlock& block, int64_t row) {
    return 8 * block.begin() + static_cast<uint64_t>(row) % kTimeBlock * block.width();
  }
  void take_from_disk(std::span<const int64_t> rows, int64_t* out) const;
  // A search in a block that begins at or before the anchor: `count` of its first rows are in time.
  struct Search {
    const uint8_t* distances;
    uint64_t width, mask;
    uint64_t farthest;  // that is in time
    uint64_t size, count;
  };
  // The block's distances begin at `distances`.
  Search search_in(uint64_t number, int64_t anchor, const uint8_t* distances) const;
  static void run(std::span<Search> searches);
  // Of each anchor, the blocks up to the one that counts[i] - 1 is the number of -> rows.
  void count_in_blocks(std::span<const int64_t> anchors, uint64_t* counts) const;
  void count_in_blocks_on_disk(std::span<const int64_t> anchors, uint64_t* counts) const;

  static constexpr size_t kMostLandmarks = 16384;

  std::span<const TimeBlock> blocks_;
  // The bases of every 2^shift-th block: few enough to stay in a core's cache, where most of a search then is.
  std::vector<int64_t> landmarks_;
  uint32_t landmark_shift_ = 0;
  const uint8_t* stream_ = nullptr;
  const Elements* words_ = nullptr;  // of the stream, where that is on disk
  uint64_t num_rows_ = 0;
};

}  // namespace relhop
