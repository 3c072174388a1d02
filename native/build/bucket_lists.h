// The lists of one bucket of targets: its records sorted by target and written to their places in the files.
#pragma once

#include <cstdint>

#include "build/build.h"
#include "build/partition.h"
#include "build/workers.h"

namespace relhop {

// Memory that an edge takes while its bucket is sorted, its record aside.
constexpr uint64_t bytes_to_sort(size_t num_values, bool sort_sources) {
  return num_values * 8 + (sort_sources ? 24 : 0);
}

// Sorts and writes all buckets of a full partition; a thread takes `bucket_memory` bytes, and what exceeds them is in a
// mapped scratch file.
Built write_lists(const Edges& edges, const Partition& partition, const ListFiles& files, const BuildOptions& options,
                  uint64_t bucket_memory, Workers& workers);

}  // namespace relhop
