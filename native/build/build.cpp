#include "build/build.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "build/bucket_lists.h"
#include "build/partition.h"
#include "build/workers.h"

namespace relhop {
namespace {

constexpr uint64_t kMaxBins = 1 << 15;
constexpr uint64_t kMinBlockBytes = 4 << 10, kMaxBlockBytes = 64 << 10;
constexpr uint64_t kMaxBuckets = 4096;
constexpr uint64_t kThreadBytes = 256 << 10;  // pieces of input and output
constexpr uint64_t kCachedBytes = 8 << 20;    // a bucket of this size is sorted within the processor's cache

// What each part of the build may take of the memory.
struct Memory {
  uint64_t bins;     // their number
  uint64_t buffers;  // a thread's open blocks and staged records
  uint64_t bucket;   // a thread's arrays to sort a bucket
  uint64_t blocks;   // all blocks that stay in memory

  Memory(uint64_t limit, unsigned num_threads) {
    const uint64_t smallest = num_threads * 2 * kThreadBytes;
    if (limit < smallest)
      throw std::invalid_argument("a build with " + std::to_string(num_threads) + " threads needs a memory limit of " +
                                  std::to_string(smallest) + " bytes or more, not " + std::to_string(limit));
    bins = std::min(kMaxBins, std::bit_floor(limit / num_threads / 16 / sizeof(uint64_t)));
    buffers = limit / num_threads / 4;
    bucket = limit / num_threads / 8;
    blocks = limit - num_threads * (bucket + kThreadBytes);
  }
};

std::vector<uint64_t> count_bins(const Edges& edges, uint32_t shift, uint64_t num_bins, Workers& workers) {
  std::vector<std::vector<uint64_t>> counts(workers.num_threads());
  workers.run([&](unsigned thread) {
    constexpr uint64_t kPiece = 1024;
    uint64_t targets[kPiece];
    std::vector<uint64_t> mine(num_bins);
    const auto begin_of = [&](unsigned i) {
      return static_cast<uint64_t>(__uint128_t{edges.size()} * i / workers.num_threads());
    };
    const uint64_t end = begin_of(thread + 1);
    for (uint64_t begin = begin_of(thread); begin < end; begin += kPiece) {
      const uint64_t count = std::min(kPiece, end - begin);
      edges.read_targets(begin, {targets, count});
      for (uint64_t i = 0; i < count; ++i)
        if (targets[i] != kNoRow) ++mine[targets[i] >> shift];
      workers.advance(count);
    }
    counts[thread] = std::move(mine);
  });
  std::vector<uint64_t> total(num_bins);
  for (const auto& mine : counts) std::transform(mine.begin(), mine.end(), total.begin(), total.begin(), std::plus<>());
  return total;
}

// Neighboring bins share a bucket while it can be sorted in the memory, or better within the cache.
Buckets cut(const std::vector<uint64_t>& bins, uint64_t num_targets, uint64_t edge_bytes, const Memory& memory,
            Buckets buckets, size_t max_buckets) {
  const auto targets_below = [&](uint64_t bin) { return std::min(num_targets, bin << buckets.bin_shift); };
  const auto bytes = [&](uint64_t bin) {
    return bins[bin] * edge_bytes + (targets_below(bin + 1) - targets_below(bin)) * sizeof(uint64_t);
  };
  uint64_t total = 0;
  for (uint64_t bin = 0; bin < bins.size(); ++bin) total += bytes(bin);
  // Two neighboring buckets exceed the size together, so this is enough for at most `max_buckets`.
  const uint64_t size = std::max(std::min(memory.bucket, kCachedBytes), 2 * (total / max_buckets + 1));
  uint64_t taken = 0;
  buckets.first = {0};
  for (uint64_t bin = 0; bin < bins.size(); ++bin) {
    if (taken > 0 && taken + bytes(bin) > size) {
      buckets.first.push_back(targets_below(bin));
      taken = 0;
    }
    taken += bytes(bin);
    buckets.of_bin.push_back(static_cast<uint16_t>(buckets.first.size() - 1));
  }
  buckets.first.push_back(num_targets);
  return buckets;
}

Buckets plan(const Edges& edges, const ListFiles& files, const BuildOptions& options, const Memory& memory,
             Workers& workers) {
  Buckets buckets;
  buckets.weights = files.weights.has_value();
  buckets.ids = files.edge_ids.has_value();
  buckets.target_bits = 64;
  buckets.widths = {width_of(edges.num_sources)};
  if (buckets.weights) buckets.widths.push_back(64);
  if (buckets.ids) buckets.widths.push_back(width_of(edges.size()));
  while (edges.num_targets >> buckets.bin_shift >= memory.bins) ++buckets.bin_shift;

  const auto bins = count_bins(edges, buckets.bin_shift, (edges.num_targets >> buckets.bin_shift) + 1, workers);
  const uint64_t sort_bytes = bytes_to_sort(buckets.widths.size(), options.sort_sources);
  const uint64_t edge_bytes = sort_bytes + (buckets.record_bits() + 7) / 8;
  const uint64_t staging = staging_bytes(buckets.widths.size() + 1);
  const uint64_t max_buckets = std::min(kMaxBuckets, memory.buffers / (kMinBlockBytes + staging));
  buckets = cut(bins, edges.num_targets, edge_bytes, memory, std::move(buckets), max_buckets);

  uint64_t most_targets = 0;
  for (size_t b = 0; b < buckets.size(); ++b)
    most_targets = std::max(most_targets, buckets.first[b + 1] - buckets.first[b]);
  buckets.target_bits = width_of(most_targets);
  const uint64_t block_bytes = memory.buffers / buckets.size() - staging;
  buckets.block_bytes = std::clamp(block_bytes / kMinBlockBytes * kMinBlockBytes, kMinBlockBytes, kMaxBlockBytes);
  return buckets;
}

}  // namespace

Built build_lists(const Edges& edges, const ListFiles& files, const BuildOptions& options) {
  edges.check();
  if (options.num_threads == 0) throw std::invalid_argument("a build needs at least 1 thread");
  if (files.weights.has_value() != edges.weights.has_value())
    throw std::invalid_argument("weights and their file are given together or not at all");
  const Memory memory(options.memory_limit, options.num_threads);
  Workers workers(options.num_threads, 3 * edges.size(), options.progress);
  const Buckets buckets = plan(edges, files, options, memory, workers);

  const uint64_t staging = options.num_threads * buckets.size() * staging_bytes(buckets.columns().size());
  const uint64_t most_blocks = edges.size() / buckets.block_edges() + options.num_threads * buckets.size();
  const uint64_t block_memory = std::min(memory.blocks - staging, most_blocks * buckets.block_bytes);
  Partition partition(buckets, options.num_threads, block_memory, options.scratch_folder);
  workers.run([&](unsigned thread) { partition.fill(edges, thread, workers); });

  const Built built = write_lists(edges, partition, files, options, memory.bucket, workers);
  options.progress(1.0);
  return built;
}

}  // namespace relhop
