// The graph's structure, as views of a store's arrays: who points at whom, and when rows came to be.
//
// Rows of a timed table are numbered in time order. So what is visible at an anchor time is `row < cut`, and the
// visible neighbors of a row are a prefix of its ascending list. Knows nothing of features, labels or Python.
// Immutable after construction; any number of threads may read it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace relhop {

// An array of row numbers, 32 or 64 bits each.
struct RowArray {
  const void* data = nullptr;
  uint64_t size = 0;
  bool wide = false;

  uint64_t operator[](uint64_t i) const {
    return wide ? static_cast<const uint64_t*>(data)[i] : static_cast<const uint32_t*>(data)[i];
  }
  // The value that stands for "no row".
  uint64_t none() const { return wide ? UINT64_MAX : UINT32_MAX; }
  // How many of the ascending rows [begin, end) are < bound.
  uint64_t count_below(uint64_t begin, uint64_t end, uint64_t bound) const;
};

struct TableRows {
  std::string name;
  uint64_t num_rows = 0;
  std::span<const int64_t> time;  // ascending; empty where the table has no time column
};

// One foreign key, both ways.
struct LinkRows {
  std::string name;
  uint32_t child = 0;  // index of a table
  uint32_t parent = 0;
  RowArray parents;                   // [rows of child]: its parent's row, or none()
  std::span<const uint64_t> offsets;  // [rows of parent + 1]
  RowArray children;                  // rows of child, ascending within each parent
};

class Topology {
 public:
  // Throws CorruptStore where array sizes do not fit together.
  Topology(std::vector<TableRows> tables, std::vector<LinkRows> links);

  const std::vector<TableRows>& tables() const { return tables_; }
  const std::vector<LinkRows>& links() const { return links_; }
  // Of link i, edge type 2i leads from a parent row to its children and 2i + 1 from a child row to its parent.
  uint32_t num_edge_types() const { return static_cast<uint32_t>(2 * links_.size()); }
  // The table whose rows are expanded along an edge type, and the one whose rows are found.
  uint32_t expanded_table(uint32_t edge_type) const;
  uint32_t found_table(uint32_t edge_type) const;

  // The visibility rule: rows of `table` with time <= anchor are exactly those below the returned number.
  uint64_t cut(uint32_t table, int64_t anchor_time) const;

 private:
  std::vector<TableRows> tables_;
  std::vector<LinkRows> links_;
};

}  // namespace relhop
