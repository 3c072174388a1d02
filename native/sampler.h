// Temporal neighborhoods: seeds and anchor times -> one subgraph a seed, of row numbers.
//
// Disjoint: no node is shared between two seeds, for each has its own time. A hop expands the nodes that the hop before
// it found, along every edge type; a row found twice for one seed is one node. Knows nothing of features, labels or
// Python.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "choose.h"
#include "topology.h"

namespace relhop {

struct SampleOptions {
  // [hops][edge types]: how many neighbors a node gets; 0 none, -1 all that are visible.
  std::vector<std::vector<int64_t>> num_neighbors;
  std::vector<std::vector<Strategy>> strategies;
  uint64_t random_seed = 0;
  uint64_t epoch = 0;
  // [tables]: rows at or beyond the cap do not exist, whatever the anchor (`store.as_of`).
  std::vector<uint64_t> caps;
};

struct Seeds {
  uint32_t table = 0;
  std::span<const int64_t> rows;
  std::span<const int64_t> times;  // anchor times; INT64_MAX sees rows without a time as well
};

struct Sample {
  struct Nodes {
    Buffer<int64_t> rows;
    Buffer<int64_t> batch;  // which seed's subgraph a node is in
    std::vector<int64_t>
        num_per_hop;  // [hops + 1], the seeds first; nodes of a hop are contiguous, in the seeds' order
  };
  struct Edges {
    Buffer<int64_t> source;            // the found node, as an index into Nodes of its table
    Buffer<int64_t> target;            // the expanded node
    std::vector<int64_t> num_per_hop;  // [hops]
  };
  std::vector<Nodes> nodes;  // by table
  std::vector<Edges> edges;  // by edge type
};

// The same bits for any num_threads and any way to cut the seeds into calls.
// Throws std::invalid_argument on options that do not fit the topology, CorruptStore where a list of the topology holds
// a row that cannot be there.
Sample sample(const Topology& topology, const SampleOptions& options, const Seeds& seeds, unsigned num_threads = 1);

}  // namespace relhop
