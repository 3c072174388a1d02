#include "build/partition.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "build/packed_file.h"

namespace relhop {

std::vector<uint32_t> Buckets::columns() const {
  std::vector<uint32_t> columns = widths;
  if (target_bits + widths[0] <= 57)
    columns[0] += target_bits;
  else
    columns.insert(columns.begin(), target_bits);
  return columns;
}

Partition::Partition(const Buckets& buckets, unsigned num_lanes, uint64_t memory, std::string scratch_folder)
    : buckets_(buckets),
      block_edges_(buckets.block_edges()),
      columns_(buckets.columns()),
      shares_(columns_.size() == buckets.widths.size()),
      memory_blocks_(std::max<uint64_t>(memory / buckets.block_bytes, num_lanes * buckets.size())),
      memory_(memory_blocks_ * buckets.block_bytes),
      lanes_(num_lanes),
      num_blocks_(num_lanes * buckets.size()),
      scratch_folder_(std::move(scratch_folder)) {
  uint64_t begin = 0;
  for (const uint32_t width : columns_) {
    column_begin_.push_back(begin);
    begin += block_edges_ / 64 * width * 8;
  }
  for (unsigned i = 0; i < num_lanes; ++i) {
    Lane& lane = lanes_[i];
    lane.counts.resize(buckets.size());
    lane.open.resize(buckets.size());
    std::iota(lane.open.begin(), lane.open.end(), i * buckets.size());
    lane.filled.resize(buckets.size());
    lane.staging = Space(buckets.size() * staging_bytes(columns_.size()));
  }
}

void Partition::fill(const Edges& edges, unsigned index, Workers& workers) {
  constexpr uint64_t kPiece = 1024;
  uint64_t targets[kPiece], values[3][kPiece];
  Lane& lane = lanes_[index];
  // Copies of what the loop below needs: its stores could change the members, as far as the compiler knows.
  const size_t num_columns = columns_.size();
  auto* const staging = reinterpret_cast<uint64_t*>(lane.staging.data());
  const uint16_t* const of_bin = buckets_.of_bin.data();
  const uint64_t* const first = buckets_.first.data();
  uint64_t* const counts = lane.counts.data();
  const uint32_t bin_shift = buckets_.bin_shift, target_bits = buckets_.target_bits;
  const bool shares = shares_;
  const auto begin_of = [&](uint64_t i) {
    return static_cast<uint64_t>(__uint128_t{edges.size()} * i / lanes_.size());
  };
  const uint64_t end = begin_of(index + 1);
  for (uint64_t begin = begin_of(index); begin < end; begin += kPiece) {
    const uint64_t count = std::min(kPiece, end - begin);
    edges.read_targets(begin, {targets, count});
    edges.read_sources(begin, {values[0], count});
    size_t more = 1;
    if (buckets_.weights) edges.read_weights(begin, {values[more++], count});
    if (buckets_.ids) std::iota(values[more], values[more] + count, begin);
    for (uint64_t i = 0; i < count; ++i) {
      if (targets[i] == kNoRow || values[0][i] == kNoRow) continue;
      const size_t bucket = of_bin[targets[i] >> bin_shift];
      const uint64_t place = counts[bucket]++;
      uint64_t* const staged = staging + bucket * num_columns * 64 + place % 64;
      staged[0] = targets[i] - first[bucket];
      if (shares) staged[0] |= values[0][i] << target_bits;
      for (size_t c = 1; c < num_columns; ++c) staged[c * 64] = values[shares ? c : c - 1][i];
      if (place % 64 == 63) pack_staged(lane, bucket, place / 64);
    }
    workers.advance(count);
  }
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket)
    if (lane.counts[bucket] % 64 != 0) pack_staged(lane, bucket, lane.counts[bucket] / 64);
}

void Partition::pack_staged(Lane& lane, size_t bucket, uint64_t group) {
  const size_t num_columns = columns_.size();
  const auto* staged = reinterpret_cast<const uint64_t*>(lane.staging.data()) + bucket * num_columns * 64;
  const uint64_t groups = block_edges_ / 64, place = group % groups;
  uint8_t* const block = in_memory(lane.open[bucket]);
  for (size_t c = 0; c < num_columns; ++c)
    pack_group(staged + c * 64, columns_[c],
               reinterpret_cast<uint64_t*>(block + column_begin_[c]) + place * columns_[c]);
  if (place == groups - 1 && lane.counts[bucket] % 64 == 0) close_block(lane, bucket);
}

// While there is memory the full block stays where it is, and another one is filled; else it is copied to the file.
void Partition::close_block(Lane& lane, size_t bucket) {
  const uint64_t next = num_blocks_++;
  if (next < memory_blocks_) {
    lane.filled[bucket].push_back(std::exchange(lane.open[bucket], next));
    return;
  }
  std::call_once(file_made_, [&] { file_ = File::scratch(scratch_folder_); });
  file_.write((next - memory_blocks_) * buckets_.block_bytes, in_memory(lane.open[bucket]), buckets_.block_bytes);
  lane.filled[bucket].push_back(next);
}

uint64_t Partition::num_edges(size_t bucket) const {
  uint64_t count = 0;
  for (const Lane& lane : lanes_) count += lane.counts[bucket];
  return count;
}

uint64_t Partition::spilled_bytes() const {
  return (std::max<uint64_t>(num_blocks_, memory_blocks_) - memory_blocks_) * buckets_.block_bytes;
}

uint64_t Partition::spilled_bytes(size_t bucket) const {
  uint64_t blocks = 0;
  for (const Lane& lane : lanes_)
    blocks += static_cast<uint64_t>(
        std::ranges::count_if(lane.filled[bucket], [&](uint64_t block) { return block >= memory_blocks_; }));
  return blocks * buckets_.block_bytes;
}

void Partition::load(size_t bucket, uint8_t* memory) const {
  for (const Lane& lane : lanes_)
    for (const uint64_t block : lane.filled[bucket])
      if (block >= memory_blocks_) {
        file_.read((block - memory_blocks_) * buckets_.block_bytes, memory, buckets_.block_bytes);
        memory += buckets_.block_bytes;
      }
}

}  // namespace relhop
