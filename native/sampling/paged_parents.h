// From rows to the parents that their foreign keys name, where the keys are on disk.
#pragma once

#include <algorithm>

#include "sampling/connect.h"
#include "sampling/paged.h"

namespace relhop {

// Expands the nodes [first, last), as follow_parents does.
template <class Table>
void follow_paged_parents(const Expansion& expansion, uint32_t first, uint32_t last, PagedScratch& scratch,
                          Connector<Table>& connector) {
  const PagedRows& parents = expansion.edges.paged->parents;
  const BlockNodes& nodes = expansion.expanded;
  for (uint32_t begin = first; begin < last; begin = std::min(begin + kPagedNodes, last)) {
    const uint32_t end = std::min(begin + kPagedNodes, last);
    scratch.places.clear();
    for (uint32_t node = begin; node < end; ++node)
      scratch.places.push_back(static_cast<uint64_t>(nodes.rows[nodes.begin + node]));
    scratch.gather(parents, scratch.places, scratch.values);
    for (uint32_t node = begin; node < end; ++node) {
      if (!expansion.is_expanded(node)) continue;
      const uint64_t parent = scratch.values[node - begin];
      const uint32_t seed = nodes.seeds.empty() ? 0 : nodes.seeds[nodes.begin + node];
      if (parent >= expansion.num_found && parent != parents.mask) throw_corrupt(expansion.edges, "parents", parent);
      const bool is_new_enough = expansion.low_cuts == nullptr || parent >= expansion.low_cuts[seed];
      if (parent >= expansion.cuts[seed] || !is_new_enough) continue;
      connector.make_room(1);
      *connector.rows() = parent;
      *connector.targets() = node;
      *connector.seeds() = seed;
      connector.add_rows(1);
    }
  }
}

}  // namespace relhop
