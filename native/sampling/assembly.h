// From the parts that threads sampled to one batch: arrays in the order of hops, and nodes numbered in them.
#pragma once

#include <span>
#include <vector>

#include "sampling/block.h"
#include "sampling/renumber.h"

namespace relhop {

class Assembly {
 public:
  // Part p holds the blocks [bounds[p], bounds[p + 1]).
  Assembly(const Topology& topology, const SampleOptions& options, std::vector<Part> parts, std::vector<size_t> bounds);

  // Writes the part's own places only: parts may be placed by several threads.
  void place(size_t part);
  Sample take() { return std::move(sample_); }

 private:
  // Where each block's share of a hop begins, [hops][blocks], in an array ordered by hop.
  using Begins = std::vector<std::vector<int64_t>>;
  template <class Counts>
  Begins begins(Counts counts, size_t hops, std::vector<int64_t>& per_hop) const;
  bool is_whole() const { return bounds_.back() == 1; }
  void place_nodes(const Part& part, size_t block, uint32_t table, size_t begin);
  // Of a node's number in the block: what to add for its number in the batch, which depends on the hop that found it.
  struct Shifts {
    std::vector<int64_t> first, shift;  // [hops + 1]
    // Of nodes that the hops [begin, end] found.
    void apply(std::span<const int64_t> numbers, size_t begin, size_t end, int64_t* out) const {
      const size_t count = end - begin + 1;
      renumber(numbers, std::span(first).subspan(begin, count), std::span(shift).subspan(begin, count), out);
    }
  };
  Shifts shifts(const Part& part, size_t block, size_t local, uint32_t table) const;
  void place_edges(const Part& part, size_t block, size_t local, std::span<const Shifts> shifts, uint32_t edge_type,
                   size_t begin);

  const Topology& topology_;
  const size_t hops_, edge_hops_;
  const bool directional_, disjoint_, edge_ids_;
  std::vector<Part> parts_;
  const std::vector<size_t> bounds_;
  std::vector<Begins> node_begin_, edge_begin_;  // [tables], [edge types]
  Sample sample_;
};

}  // namespace relhop
