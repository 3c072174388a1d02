#include "sampling/topology.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "paging/page_reader.h"

namespace relhop {

namespace {

void expect_size(const EdgeRows& edge_type, const char* file, uint64_t size, uint64_t expected) {
  if (size != expected)
    throw CorruptStore("link " + edge_type.name + ": " + file + " holds " + std::to_string(size) +
                       " entries, expected " + std::to_string(expected));
}

uint64_t last_offset(const EdgeRows& edges) {
  if (!edges.paged) return edges.offsets[edges.offsets.size - 1];
  std::vector<uint64_t> last;
  PageReader().gather(edges.paged->offsets, std::vector{edges.offsets.size - 1}, last);
  return last[0];
}

bool has_edge_ids(const EdgeRows& edges) {
  return edges.paged ? edges.paged->edge_ids.file != nullptr : edges.edge_ids.data != nullptr;
}

void check_timed_edges(const EdgeRows& edges, const EdgeRows& reverse, size_t num_tables) {
  if (reverse.timed_by != edges.timed_by)
    throw std::invalid_argument(edges.name + ": its reverse is not timed by the same table");
  if (!edges.is_timed()) return;
  if (edges.ordering_table() >= num_tables)
    throw std::out_of_range(edges.name + ": the table " + std::to_string(edges.timed_by) +
                            " that times it does not exist");
  if (!has_edge_ids(edges)) throw std::invalid_argument(edges.name + ": timed edges need edge_ids");
}

}  // namespace

Topology::Topology(std::vector<TableRows> tables, std::vector<EdgeRows> edge_types)
    : tables_(std::move(tables)), edge_types_(std::move(edge_types)), has_nodes_(tables_.size(), true) {
  for (const TableRows& table : tables_)
    if (table.timed && table.time.size() != table.num_rows)
      throw CorruptStore("table " + table.name + ": " + std::to_string(table.time.size()) + " times for " +
                         std::to_string(table.num_rows) + " rows");
  for (const EdgeRows& e : edge_types_) {
    is_paged_ |= e.paged.has_value();
    const uint64_t num_rows = tables_.at(e.expanded).num_rows;
    tables_.at(e.found);
    if (e.reverse >= static_cast<int64_t>(edge_types_.size()))
      throw std::out_of_range(e.name + ": its reverse " + std::to_string(e.reverse) + " does not exist");
    const EdgeRows& reverse = e.reverse < 0 ? e : edge_types_[static_cast<size_t>(e.reverse)];
    if (e.reverse >= 0 && (reverse.expanded != e.found || reverse.found != e.expanded))
      throw std::invalid_argument(e.name + ": its reverse does not lead back");
    check_timed_edges(e, reverse, tables_.size());
    if (e.is_timed()) has_nodes_[e.ordering_table()] = false;
    if (e.kind == EdgeRows::Kind::parents) {
      expect_size(e, "parents", e.parents.size, num_rows);
      continue;
    }
    expect_size(e, "offsets", e.offsets.size, num_rows + 1);
    expect_size(e, "children", e.neighbors.size, last_offset(e));
    if (!e.weights.empty()) expect_size(e, "weights", e.weights.size(), e.neighbors.size);
    if (e.paged && e.has_weights()) expect_size(e, "weights", e.paged->weights.size, e.neighbors.size);
    if (has_edge_ids(e)) expect_size(e, "edge_ids", e.edge_ids.size, e.neighbors.size);
  }
  for (const EdgeRows& e : edge_types_)
    for (const uint32_t end : {e.expanded, e.found})
      if (!has_nodes(end))
        throw std::invalid_argument(e.name + ": the rows of table " + tables_[end].name + " are edges, not nodes");
}

void Topology::cuts(uint32_t table, std::span<const int64_t> anchor_times, uint64_t* cuts) const {
  const TableRows& rows = tables_[table];
  if (rows.timed)
    rows.time.count_until(anchor_times, cuts);
  else
    std::fill_n(cuts, anchor_times.size(), rows.num_rows);
}

}  // namespace relhop
