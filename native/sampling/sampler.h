// Neighborhoods: seeds and anchor times -> one batch of row numbers and edges between them.
//
// A hop expands the nodes that the hop before it found, along every edge type. Knows nothing of features, labels or
// Python.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "sampling/choose.h"
#include "sampling/topology.h"

namespace relhop {

// How the neighbors of a node are chosen.
struct Rule {
  int64_t fanout = 0;  // how many; 0 none, -1 all that are visible. Along a key any but 0 takes the one parent
  Strategy strategy = Strategy::recency;
  bool replace = false;  // of a fanout that is a count
  // > 0: of a timed table, and along timed edges, only what has a time in (anchor - window, anchor]
  int64_t window = 0;
};

enum class Subgraph : uint8_t {
  directional = 0,    // the edges that were followed
  bidirectional = 1,  // and, after them, their reverses, where an edge type leads back
  induced = 2,        // instead, every edge among the nodes
};

struct SampleOptions {
  std::vector<std::vector<Rule>> rules;  // [hops][edge types]
  uint64_t random_seed = 0;
  uint64_t epoch = 0;
  // [tables]: rows at or beyond the cap do not exist, whatever the anchor (`store.as_of`).
  std::vector<uint64_t> caps;
  // Each seed has a subgraph, anchor time and draws of its own; else the batch has one graph, in which every row is one
  // node, everything below the caps is visible and a row's draws are the same in every batch of the epoch. (A seed that
  // repeats is a node each time, so that node i is seed i; edges lead into each of them, and out of the first.)
  bool disjoint = true;
  Subgraph subgraph = Subgraph::directional;
  bool edge_ids = false;
  // Sequences of edge types. Where there are any, a node that was first found at the end of a sequence's beginning is
  // expanded along the sequence's next edge type, and along nothing else. At most 64.
  std::vector<std::vector<uint32_t>> metapaths;
  // Where a seed found fewer nodes to expand than the fanouts before allow, those have up to four times the fanout.
  bool adaptive = false;
  // Nodes that are expanded at once, their memory accesses overlapping; changes nothing but the speed.
  uint32_t group = 64;
};

// [seeds] each. Each table's nodes begin with its seeds, in the order given.
struct Seeds {
  std::span<const uint32_t> tables;
  std::span<const int64_t> rows;
  std::span<const int64_t> times;  // anchor times; INT64_MAX sees rows without a time as well
};

struct Sample {
  struct Nodes {
    Buffer<int64_t> rows;
    Buffer<int64_t> batch;  // which seed's subgraph a node is in: its place in Seeds; empty unless disjoint
    // [hops + 1], the seeds first; the nodes of a hop are contiguous.
    std::vector<int64_t> num_per_hop;
  };
  struct Edges {
    Buffer<int64_t> source;  // the found node, as an index into Nodes of its table
    Buffer<int64_t> target;  // the expanded node
    Buffer<int64_t> ids;     // the edge's number; empty unless asked for
    // [hops]; empty of a subgraph with edges that no hop followed.
    std::vector<int64_t> num_per_hop;
  };
  std::vector<Nodes> nodes;  // by table
  std::vector<Edges> edges;  // by edge type
};

// Seeds of a disjoint batch are sampled in blocks of this many. Within a hop, nodes and edges are ordered by block,
// then by the edge type that found them, then by seed.
inline constexpr size_t kBlock = 32;

// Scratch memory of a thread, kept for the next batch.
struct Workspace;

class Sampler {
 public:
  explicit Sampler(const Topology& topology);
  ~Sampler();

  // The same bits for any num_threads. What a seed gets does not depend on its batch.
  // Throws std::invalid_argument on options that do not fit the topology, CorruptStore where a list of the topology
  // holds a row that cannot be there. May be called by several threads at once.
  Sample sample(const SampleOptions& options, const Seeds& seeds, unsigned num_threads = 1) const;
  // Several batches, the same bits as each by itself. From disk they are read in step: what several want is read once.
  std::vector<Sample> sample(const SampleOptions& options, std::span<const Seeds> batches,
                             unsigned num_threads = 1) const;
  // How many batches of so many seeds are worth it; 1 in memory.
  size_t together(const SampleOptions& options, size_t num_seeds) const;

 private:
  struct Workspaces;
  size_t num_parts(size_t num_blocks, unsigned num_threads) const;
  size_t most_in_step() const;   // blocks
  uint64_t usual_edges() const;  // of a block

  const Topology& topology_;
  const std::unique_ptr<Workspaces> workspaces_;
};

}  // namespace relhop
