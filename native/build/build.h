// Neighbor lists from edges, within a given memory: edges are counted, brought to buckets of targets, and each bucket
// is sorted in memory and written. The files are the same for every memory limit and number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "build/edges.h"

namespace relhop {

// The list of target t is elements [offsets[t], offsets[t + 1]) of the other files.
struct ListFiles {
  std::string offsets;                  // packed for the number of edges
  std::string neighbors;                // sources, packed for their table
  std::optional<std::string> edge_ids;  // positions in the input, packed for its size
  std::optional<std::string> weights;   // float64: cumulative sums within each list
};

struct BuildOptions {
  bool sort_sources = false;  // lists ascend; else they are in the order of the input
  uint64_t memory_limit = 0;  // bytes, the mapped input aside
  unsigned num_threads = 1;
  std::string scratch_folder;  // for what exceeds the memory; nothing of it is left, whatever happens
  std::function<void(double)> progress = [](double) {};  // gets the fraction done; what it throws ends the build
};

struct Built {
  uint64_t num_edges = 0;  // without those that lack an end
  uint64_t num_buckets = 0;
  uint64_t spilled_bytes = 0;  // that were in the scratch file
};

// Throws std::invalid_argument on a row or weight that cannot be, IoError where a file cannot be written; the files are
// then not whole.
Built build_lists(const Edges& edges, const ListFiles& files, const BuildOptions& options);

}  // namespace relhop
