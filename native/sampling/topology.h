// The graph's structure, as views of a store's arrays: who points at whom, and when rows came to be.
//
// Rows of a timed table are numbered in time order. So what is visible at an anchor time is `row < cut`, and the
// visible neighbors of a row are a prefix of its ascending list. Edges with times of their own are rows of such a
// table, too, and their lists are ascending in them. Knows nothing of features, labels or Python. Immutable after
// construction; any number of threads may read it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "packed/packed.h"
#include "packed/times.h"
#include "paging/paged_rows.h"

namespace relhop {

struct TableRows {
  std::string name;
  uint64_t num_rows = 0;
  bool timed = false;
  PackedTimes time;
};

// An edge type's arrays on disk. Weights and numbers of edges need not be there.
struct PagedEdges {
  PagedRows parents;
  PagedRows offsets, neighbors, weights, edge_ids;
};

// From the rows of one table to their neighbors in another, one way: the list of each row, or the one parent that its
// foreign key names. The two ways of a foreign key are `lists` (parent -> children) and `parents`.
struct EdgeRows {
  enum class Kind : uint8_t { lists, parents };
  std::string name;
  Kind kind = Kind::lists;
  uint32_t expanded = 0;  // the table whose rows have the neighbors
  uint32_t found = 0;     // the table that the neighbors are in
  int64_t reverse = -1;   // the edge type that leads back along the same edges, if there is one

  PackedRows parents;  // [rows of expanded]: the parent's row, or none()

  PackedRows offsets;               // [rows of expanded + 1]: where each row's list begins in `neighbors`
  PackedRows neighbors;             // ascending within each list, but of timed edges
  std::span<const double> weights;  // per neighbor the sum of its list's weights up to it; empty where there are none
  // Per neighbor the number of its edge, the same both ways; empty where that is the neighbor's row, as it is of
  // foreign keys.
  PackedRows edge_ids;
  // The table whose rows the edges' numbers are, and the lists ascending in; it has no nodes. An edge is visible no
  // earlier than both its ends. -1 of edges without times of their own.
  int64_t timed_by = -1;

  // Then all the above have sizes and widths, but no data.
  std::optional<PagedEdges> paged;

  bool has_weights() const { return !weights.empty() || (paged && paged->weights.file != nullptr); }
  bool is_timed() const { return timed_by >= 0; }
  // What lists are ascending in, and the table that those are rows of.
  const PackedRows& order() const { return is_timed() ? edge_ids : neighbors; }
  uint32_t ordering_table() const { return is_timed() ? static_cast<uint32_t>(timed_by) : found; }
};

class Topology {
 public:
  // Throws CorruptStore where array sizes do not fit together.
  Topology(std::vector<TableRows> tables, std::vector<EdgeRows> edge_types);

  const std::vector<TableRows>& tables() const { return tables_; }
  const std::vector<EdgeRows>& edge_types() const { return edge_types_; }
  // Whether any edge type is on disk.
  bool is_paged() const { return is_paged_; }
  uint32_t num_edge_types() const { return static_cast<uint32_t>(edge_types_.size()); }
  // Not those whose rows are edges.
  bool has_nodes(uint32_t table) const { return has_nodes_[table]; }

  // The visibility rule: rows of `table` with time <= anchor are exactly those below the number that is given for each
  // anchor time.
  void cuts(uint32_t table, std::span<const int64_t> anchor_times, uint64_t* cuts) const;

 private:
  std::vector<TableRows> tables_;
  std::vector<EdgeRows> edge_types_;
  std::vector<bool> has_nodes_;  // [tables]
  bool is_paged_ = false;
};

}  // namespace relhop
