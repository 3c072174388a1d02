// Edges brought to buckets of neighboring targets, in the order of the input, as packed records that wait in memory
// and, where that is full, in a scratch file. Each thread ("lane") brings a contiguous part of the input.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "edges.h"
#include "file.h"
#include "space.h"
#include "workers.h"

namespace relhop {

// How edges are cut into buckets, and what is kept of each.
struct Buckets {
  uint32_t bin_shift = 0;        // bin of a target: target >> bin_shift
  std::vector<uint16_t> of_bin;  // its bucket
  std::vector<uint64_t> first;   // the first target of each bucket, and the number of targets
  std::vector<uint32_t> widths;  // bits of a record's columns: target within its bucket, source, and what is wanted
  bool weights = false, ids = false;  // of: weight, position in the input
  uint64_t block_bytes = 0;

  size_t size() const { return first.size() - 1; }
  uint64_t record_bits() const;
  // Records of a block: whole groups of 64, and 8 bytes that a read may touch beyond them.
  uint64_t block_edges() const { return (block_bytes - 8) * 8 / (record_bits() * 64) * 64; }
};

// What a lane needs per bucket beside its blocks.
constexpr uint64_t staging_bytes(size_t num_columns) { return num_columns * 64 * sizeof(uint64_t); }

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
  // The values of a column of a block's records.
  PackedRows column(const uint8_t* block, size_t column) const;

 private:
  struct Lane {
    std::vector<uint64_t> counts;               // of a bucket's edges
    std::vector<uint64_t> open;                 // the block that is being filled
    std::vector<std::vector<uint64_t>> filled;  // the blocks before
    Space staging;                              // 64 values of each column, for each bucket
  };

  uint8_t* in_memory(uint64_t block) const { return memory_.data() + block * buckets_.block_bytes; }
  void pack_staged(Lane& lane, size_t bucket, uint64_t group);
  void close_block(Lane& lane, size_t bucket);

  const Buckets& buckets_;
  const uint64_t block_edges_;
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
