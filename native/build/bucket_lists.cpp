#include "build/bucket_lists.h"

#include <algorithm>
#include <bit>
#include <compare>
#include <memory>
#include <numeric>

#include "build/packed_file.h"

namespace relhop {
namespace {

// A source and its place in the list: sorted by them, equal sources stay in their order.
struct Placed {
  uint64_t source, place;
  auto operator<=>(const Placed&) const = default;
};

struct Output {
  PackedFile offsets, neighbors;
  std::unique_ptr<PackedFile> edge_ids;
  File weights;

  Output(const Edges& edges, const ListFiles& files, uint64_t num_edges)
      : offsets(files.offsets, edges.num_targets + 1, width_of(num_edges)),
        neighbors(files.neighbors, num_edges, width_of(edges.num_sources)) {
    if (files.edge_ids) edge_ids = std::make_unique<PackedFile>(*files.edge_ids, num_edges, width_of(edges.size()));
    if (files.weights) weights = File::create(*files.weights);
    offsets.write(edges.num_targets, {&num_edges, 1});
  }

  void finish() {
    offsets.finish();
    neighbors.finish();
    if (edge_ids) edge_ids->finish();
  }
};

// The arrays of a bucket, all in one space.
class Sorter {
 public:
  Sorter(const Partition& partition, const BuildOptions& options, uint64_t memory, Workers& workers)
      : partition_(partition), options_(options), workers_(workers), memory_(memory) {}

  void sort(size_t bucket, uint64_t first_edge, Output& output) {
    const Buckets& buckets = partition_.buckets();
    const size_t num_values = buckets.widths.size();
    const uint64_t num_targets = buckets.first[bucket + 1] - buckets.first[bucket];
    const uint64_t num_edges = partition_.num_edges(bucket), spilled = partition_.spilled_bytes(bucket);
    const uint64_t size = spilled + num_targets * 8 + num_edges * bytes_to_sort(num_values, options_.sort_sources);
    Space larger;
    if (size > memory_.size()) larger = Space(size, options_.scratch_folder);
    uint8_t* const loaded = size > memory_.size() ? larger.data() : memory_.data();
    partition_.load(bucket, loaded);
    ends_ = {reinterpret_cast<uint64_t*>(loaded + spilled), num_targets};
    for (size_t v = 0; v < num_values; ++v) values_[v] = {ends_.data() + num_targets + v * num_edges, num_edges};
    rest_ = ends_.data() + num_targets + num_values * num_edges;

    count(bucket, loaded, first_edge);
    output.offsets.write(buckets.first[bucket], ends_);
    place(bucket, loaded, first_edge);
    if (options_.sort_sources) sort_lists(num_values, first_edge);
    output.neighbors.write(first_edge, values_[0]);
    if (buckets.weights) {
      accumulate(values_[1], first_edge);
      output.weights.write(first_edge * 8, values_[1].data(), num_edges * 8);
    }
    if (buckets.ids) output.edge_ids->write(first_edge, values_[num_values - 1]);
  }

 private:
  // Leaves in ends_ where each list begins; place() moves that to where it ends.
  void count(size_t bucket, const uint8_t* loaded, uint64_t first_edge) {
    std::ranges::fill(ends_, 0);
    partition_.read(bucket, loaded, [&](const uint8_t* block, uint64_t count) {
      const Field targets = partition_.targets(block);
      uint64_t* const counts = ends_.data();
      for (uint64_t i = 0; i < count; ++i) ++counts[targets[i]];
    });
    std::exclusive_scan(ends_.begin(), ends_.end(), ends_.begin(), first_edge);
  }

  void place(size_t bucket, const uint8_t* loaded, uint64_t first_edge) {
    partition_.read(bucket, loaded, [&](const uint8_t* block, uint64_t count) {
      const Field targets = partition_.targets(block);
      uint64_t *const ends = ends_.data(), places[64];
      for (uint64_t begin = 0; begin < count; begin += 64) {
        const uint64_t size = std::min<uint64_t>(64, count - begin);
        for (uint64_t i = 0; i < size; ++i) places[i] = ends[targets[begin + i]]++ - first_edge;
        for (size_t v = 0; v < partition_.buckets().widths.size(); ++v) {
          const Field values = partition_.values(block, v);
          uint64_t* const sorted = values_[v].data();
          for (uint64_t i = 0; i < size; ++i) sorted[places[i]] = values[begin + i];
        }
      }
      workers_.advance(count);
    });
  }

  template <class Visit>
  void for_each_list(uint64_t first_edge, const Visit& visit) const {
    uint64_t begin = 0;
    for (const uint64_t end : ends_) {
      visit(begin, end - first_edge);
      begin = end - first_edge;
    }
  }

  void sort_lists(size_t num_values, uint64_t first_edge) {
    uint64_t* const sources = values_[0].data();
    auto* const placed = reinterpret_cast<Placed*>(rest_);
    uint64_t* const moved = rest_ + 2 * values_[0].size();
    for_each_list(first_edge, [&](uint64_t begin, uint64_t end) {
      if (std::is_sorted(sources + begin, sources + end)) return;
      const uint64_t size = end - begin;
      for (uint64_t i = 0; i < size; ++i) placed[i] = {sources[begin + i], i};
      std::sort(placed, placed + size);
      for (size_t v = 0; v < num_values; ++v) {
        for (uint64_t i = 0; i < size; ++i) moved[i] = values_[v][begin + placed[i].place];
        std::copy(moved, moved + size, values_[v].data() + begin);
      }
    });
  }

  void accumulate(std::span<uint64_t> weights, uint64_t first_edge) const {
    for_each_list(first_edge, [&](uint64_t begin, uint64_t end) {
      double sum = 0;
      for (uint64_t i = begin; i < end; ++i) {
        sum += std::bit_cast<double>(weights[i]);
        weights[i] = std::bit_cast<uint64_t>(sum);
      }
    });
  }

  const Partition& partition_;
  const BuildOptions& options_;
  Workers& workers_;
  const Space memory_;
  std::span<uint64_t> ends_;
  std::span<uint64_t> values_[3];  // sources, weights, ids
  uint64_t* rest_ = nullptr;
};

}  // namespace

Built write_lists(const Edges& edges, const Partition& partition, const ListFiles& files, const BuildOptions& options,
                  uint64_t bucket_memory, Workers& workers) {
  const size_t num_buckets = partition.buckets().size();
  std::vector<uint64_t> first_edge(num_buckets + 1);
  for (size_t b = 0; b < num_buckets; ++b) first_edge[b + 1] = first_edge[b] + partition.num_edges(b);
  Output output(edges, files, first_edge.back());
  std::atomic<size_t> next = 0;
  workers.run([&](unsigned) {
    Sorter sorter(partition, options, bucket_memory, workers);
    for (size_t bucket; (bucket = next++) < num_buckets;) sorter.sort(bucket, first_edge[bucket], output);
  });
  output.finish();
  return {first_edge.back(), num_buckets, partition.spilled_bytes()};
}

}  // namespace relhop
