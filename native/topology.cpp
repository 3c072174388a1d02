#include "topology.h"

#include <algorithm>

#include "error.h"

namespace relhop {

namespace {

template <class T>
uint64_t count_below_in(const void* data, uint64_t begin, uint64_t end, uint64_t bound) {
  const T* rows = static_cast<const T*>(data);
  return static_cast<uint64_t>(std::lower_bound(rows + begin, rows + end, bound) - (rows + begin));
}

void expect_size(const LinkRows& link, const char* file, uint64_t size, uint64_t expected) {
  if (size != expected)
    throw CorruptStore("link " + link.name + ": " + file + " holds " + std::to_string(size) + " entries, expected " +
                       std::to_string(expected));
}

}  // namespace

uint64_t RowArray::count_below(uint64_t begin, uint64_t end, uint64_t bound) const {
  return wide ? count_below_in<uint64_t>(data, begin, end, bound) : count_below_in<uint32_t>(data, begin, end, bound);
}

Topology::Topology(std::vector<TableRows> tables, std::vector<LinkRows> links)
    : tables_(std::move(tables)), links_(std::move(links)) {
  for (const TableRows& table : tables_)
    if (!table.time.empty() && table.time.size() != table.num_rows)
      throw CorruptStore("table " + table.name + ": " + std::to_string(table.time.size()) + " times for " +
                         std::to_string(table.num_rows) + " rows");
  for (const LinkRows& link : links_) {
    expect_size(link, "parents", link.parents.size, tables_.at(link.child).num_rows);
    expect_size(link, "offsets", link.offsets.size(), tables_.at(link.parent).num_rows + 1);
    expect_size(link, "children", link.children.size, link.offsets.back());
  }
}

uint32_t Topology::expanded_table(uint32_t edge_type) const {
  const LinkRows& link = links_[edge_type / 2];
  return edge_type % 2 == 0 ? link.parent : link.child;
}

uint32_t Topology::found_table(uint32_t edge_type) const {
  const LinkRows& link = links_[edge_type / 2];
  return edge_type % 2 == 0 ? link.child : link.parent;
}

uint64_t Topology::cut(uint32_t table, int64_t anchor_time) const {
  const TableRows& rows = tables_[table];
  if (rows.time.empty()) return rows.num_rows;
  return static_cast<uint64_t>(std::upper_bound(rows.time.begin(), rows.time.end(), anchor_time) - rows.time.begin());
}

}  // namespace relhop
