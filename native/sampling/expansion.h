// One step of a block: the nodes that the last hop found, along one edge type. What it reads, and what it fills.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "sampling/sampler.h"

namespace relhop {

[[noreturn]] inline void throw_corrupt(const EdgeRows& edges, const char* file, uint64_t value) {
  throw CorruptStore("link " + edges.name + ": " + file + " holds " + std::to_string(value) +
                     ", which cannot be there; run `relhop verify`");
}

// In a key of 32 bits, a seed of the block stands above so many bits for the row.
inline constexpr uint32_t kNarrowRowBits = 32 - std::bit_width(kBlock - 1);

// A block's nodes of one table, numbered from 0 in the order in which they are found.
struct BlockNodes {
  Buffer<int64_t>& rows;    // of these and earlier blocks
  Buffer<uint32_t>& seeds;  // the same; empty where all seeds share one graph
  size_t begin;             // where the block's begin
  uint32_t& count;
  std::vector<uint32_t>& origins;  // of what this or the last hop found: whose neighbor it was first
  std::vector<uint64_t>* paths;    // the metapaths that each is on, a bit each; null where there are none
  uint32_t frontier_end;           // nodes from here on were found by the present hop
};

struct Expansion {
  const EdgeRows& edges;
  const Rule& rule;
  uint32_t edge_type;
  uint64_t num_found, num_ordered;  // rows of the found table, and of the one that lists are ordered by
  BlockNodes expanded, found;
  uint64_t along;  // the metapaths that go along the edge type at this hop
  uint32_t group;  // see SampleOptions
  // [seeds], one where all seeds share one graph:
  const uint64_t* cuts;        // found rows from here on are not visible
  const uint64_t* order_cuts;  // the same of the table that lists are ordered by
  const uint64_t* low_cuts;    // its rows below are too old; null where none is
  const int64_t* fanouts;      // null where the rule's is everyone's
  const uint64_t* seed_keys;   // of the draws
  // Keys that the next hop asks the found nodes for: they are on their way as soon as a node is known.
  std::span<const PackedRows> next_keys;

  bool is_expanded(uint32_t node) const { return expanded.paths == nullptr || ((*expanded.paths)[node] & along) != 0; }
};

// The edges of one type, of consecutive blocks. Nodes are numbered within a block and table.
struct PartEdges {
  Buffer<int64_t> source, target, ids;
  Buffer<uint32_t> num_per_hop;  // [blocks][hops]; of an induced or bidirectional subgraph [blocks]
};

// Neighbors on the way to become nodes and edges: see connect.h.
struct EdgeQueue {
  std::vector<uint64_t> places, rows;
  std::vector<uint32_t> targets, seeds;
};

// See lists.h.
struct ListScratch {
  // A frontier node whose list is looked at.
  struct Item {
    uint32_t node, seed;
    uint64_t row;
    uint64_t begin, end;  // of its list; after the search of what is visible of it
  };
  // Of what is visible of an item's list: where it ends, or else begins. How many of the list's rows lie below it.
  struct Bound {
    uint32_t item;
    bool for_end;
    uint64_t bound;
  };
  // In the part of a list where the answer was expected: it is in [low, low + length].
  struct NearSearch : Bound {
    uint64_t begin, low, length, size;
  };
  // In what may be all of a list: the answer is in [low, high].
  struct FarSearch : Bound {
    uint64_t low, high;
    uint64_t probe, stride;  // where to look next; how far to go from there, 0 once the bound was passed
    bool rising;             // whether the search goes up from its first guess
  };
  struct Group {
    std::vector<Item> items;
    std::vector<NearSearch> near;
    std::vector<FarSearch> far;
  };
  Group groups[3];
  std::vector<uint64_t> ranks;
  Chooser chooser;
};

}  // namespace relhop
