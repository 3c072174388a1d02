// The subgraphs of a block of seeds, hop by hop.
//
// Almost every step of sampling waits for memory: a row's offsets, its list, the neighbor's slot in the table of known
// nodes. So nodes are expanded in groups, each step for the whole group, and each step asks for the memory of the next
// (`prefetch`) before any of it is waited for. (Chen, Ailamaki, Gibbons, Mowry: Improving hash join performance through
// prefetching, ICDE 2004.)
#pragma once

#include <cstdint>
#include <vector>

#include "sampling/expansion.h"
#include "sampling/paged.h"
#include "sampling/sampler.h"

namespace relhop {

struct Workspace;

// Consecutive blocks' subgraphs, one after another. Nodes are numbered within a block and table.
struct Part {
  std::vector<Buffer<int64_t>> rows;            // [tables]
  std::vector<Buffer<uint32_t>> seeds;          // [tables]: the node's seed, within the block; empty unless disjoint
  std::vector<Buffer<uint32_t>> nodes_per_hop;  // [tables] -> [blocks][hops + 1]
  std::vector<PartEdges> edges;                 // [edge types]

  Part() = default;
  // Reserves what the workspace's last part needed.
  Part(const Topology& topology, const Workspace& workspace);
  void note_sizes(Workspace& workspace) const;
};

struct Workspace {
  ListScratch lists;
  EdgeQueue queue;
  PagedScratch paged;
  // [tables]
  std::vector<RowTable> row_tables;
  std::vector<HashTable<uint32_t>> narrow_tables;
  std::vector<HashTable<uint64_t>> wide_tables;
  std::vector<uint64_t> cuts;       // [tables][seeds of some blocks]: rows from here on are not visible
  std::vector<uint64_t> low_cuts;   // [seeds]: rows below are too old for the window
  std::vector<uint64_t> seed_keys;  // [seeds]: of the draws
  // [tables]: seeds of a merged batch: the first node of a row, and another
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> repeats;
  std::vector<std::vector<uint64_t>>
      planned;                   // [seed tables] -> [hops + 1][tables]: nodes that the fanouts allow a seed
  std::vector<int64_t> fanouts;  // [seeds]
  std::vector<int64_t> window_ends;
  // Nodes of the found table that an edge type found, by number.
  struct Range {
    uint32_t begin, end;
  };
  std::vector<Range> found_now, found_before;  // [edge types]: by the present hop and by the last
  std::vector<PackedRows> next_keys;           // of one step
  std::vector<std::vector<uint32_t>> origins;  // [tables][nodes]: the node whose neighbor a node was first
  std::vector<std::vector<uint64_t>> paths;    // [tables][nodes]: the metapaths that a node is on, a bit each
  std::vector<size_t> node_begin, edge_begin;  // [tables], [edge types]: where the block's begin in Part
  std::vector<uint32_t> known, frontier_begin, frontier_end;  // [tables]: nodes of the block
  std::vector<uint32_t> entered;                              // [tables]: of these, how many the table of nodes has
  HashTable<uint64_t> pairs;
  std::vector<size_t> usual_nodes, usual_edges;  // [tables], [edge types]: what the last part held
};

// Appends the subgraphs of the seeds [begin, end) to `part`, in blocks of kBlock; in one where all share a graph.
void sample_blocks(const Topology& topology, const SampleOptions& options, const Seeds& seeds, size_t begin, size_t end,
                   Workspace& workspace, Part& part);

}  // namespace relhop
