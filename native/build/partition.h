// Edges brought to buckets of neighboring targets, in the order of the input, as packed records that wait in memory
// and, where that is full, in a scratch file. Each thread ("lane") brings a contiguous part of the input.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include "base/file.h"
#include "build/edges.h"
#include "build/space.h"
#include "build/workers.h"

namespace relhop {

// How edges are cut into buckets, and what is kept of each.
struct Buckets {
  uint32_t bin_shift = 0;        // bin of a target: target >> bin_shift
  std::vector<uint16_t> of_bin;  // its bucket
  std::vector<uint64_t> first;   // the first target of each bucket, and the number of targets
  uint32_t target_bits = 0;      // of a target within its bucket
  std::vector<uint32_t> widths;  // bits of an edge's values: source, and what is wanted of weight and position
  bool weights = false, ids = false;
  uint64_t block_bytes = 0;

  size_t size() const { return first.size() - 1; }
  uint64_t record_bits() const { return std::accumulate(widths.begin(), widths.end(), uint64_t{target_bits}); }
  // Bits of a record's columns: a target and a source share one where it can be read at once.
  std::vector<uint32_t> columns() const;
  // Records of a block: whole groups of 64, and 8 bytes that a read may touch beyond them.
  uint64_t block_edges() const { return (block_bytes - 8) * 8 / (record_bits() * 64) * 64; }
};

// What a lane needs per bucket beside its blocks.
constexpr uint64_t staging_bytes(size_t num_columns) { return num_columns * 64 * sizeof(uint64_t); }

// A part of each element of a packed column.
struct Field {
  const uint8_t* data;
  uint64_t width, begin, mask;
  uint64_t operator[](uint64_t i) const { return load_bits(data, i * width + begin, mask); }
};

class Partition {
 public:
  // `memory` bounds the bytes of the blocks that stay in memory; there is one for each lane and bucket at least.
  Partition(const Buckets& buckets, unsigned num_lanes, uint64_t memory, std::string scratch_folder);

  void fill(const Edges& edges, unsigned lane, Workers& workers);

  const Buckets& buckets() const { return buckets_; }
  uint64_t num_edges(size_t bucket) const;
  uint64_t spilled_bytes() const;
  // Bytes of the bucket's blocks that are in the scratch file.
  uint64_t spilled_bytes(size_t bucket) const;
  // Copies those blocks to `memory`.
  void load(size_t bucket, uint8_t* memory) const;
  // Calls visit(block, number of records) for all of the bucket's blocks, in order; `loaded` is what load() filled.
  template <class Visit>
  void read(size_t bucket, const uint8_t* loaded, const Visit& visit) const;
  // What a block's records hold: their targets within the bucket, and values in the order of Buckets::widths.
  Field targets(const uint8_t* block) const { return field(block, 0, 0, buckets_.target_bits); }
  Field values(const uint8_t* block, size_t value) const {
    const bool shared = value == 0 && shares_;
    return field(block, shares_ ? value : value + 1, shared ? buckets_.target_bits : 0, buckets_.widths[value]);
  }

 private:
  struct Lane {
    std::vector<uint64_t> counts;               // of a bucket's edges
    std::vector<uint64_t> open;                 // the block that is being filled
    std::vector<std::vector<uint64_t>> filled;  // the blocks before
    Space staging;                              // 64 values of each column, for each bucket
  };

  uint8_t* in_memory(uint64_t block) const { return memory_.data() + block * buckets_.block_bytes; }
  Field field(const uint8_t* block, size_t column, uint64_t begin, uint32_t width) const {
    return {block + column_begin_[column], columns_[column], begin, UINT64_MAX >> (64 - width)};
  }
  void pack_staged(Lane& lane, size_t bucket, uint64_t group);
  void close_block(Lane& lane, size_t bucket);

  const Buckets& buckets_;
  const uint64_t block_edges_;
  const std::vector<uint32_t> columns_;
  const bool shares_;  // the first column has both target and source
  std::vector<uint64_t> column_begin_;
  uint64_t memory_blocks_;  // blocks from this one on are in the file
  Space memory_;
  std::vector<Lane> lanes_;
  std::atomic<uint64_t> num_blocks_;
  const std::string scratch_folder_;
  std::once_flag file_made_;
  File file_;
};

template <class Visit>
void Partition::read(size_t bucket, const uint8_t* loaded, const Visit& visit) const {
  for (const Lane& lane : lanes_) {
    for (const uint64_t block : lane.filled[bucket]) {
      const bool spilled = block >= memory_blocks_;
      visit(spilled ? loaded : in_memory(block), block_edges_);
      loaded += spilled ? buckets_.block_bytes : 0;
    }
    const uint64_t rest = lane.counts[bucket] % block_edges_;
    if (rest > 0) visit(in_memory(lane.open[bucket]), rest);
  }
}

}  // namespace relhop
