// From rows to the parents that their foreign keys name.
#pragma once

#include <algorithm>

#include "sampling/connect.h"

namespace relhop {

// Expands the nodes [first, last).
template <class Table>
void follow_parents(const Expansion& expansion, uint32_t first, uint32_t last, Connector<Table>& connector) {
  const PackedRows parents = expansion.edges.parents;
  const BlockNodes& nodes = expansion.expanded;
  for (uint32_t begin = first; begin < last;) {
    const uint32_t count = std::min(expansion.group, last - begin);
    connector.make_room(count);
    const int64_t* const rows = nodes.rows.data() + nodes.begin + begin;
    const uint32_t* const seeds = nodes.seeds.empty() ? nullptr : nodes.seeds.data() + nodes.begin + begin;
    uint64_t* const found = connector.rows();
    uint32_t *const targets = connector.targets(), *const found_seeds = connector.seeds();
    // The next group's keys are on their way while this one's are read.
    const uint32_t ahead_end = std::min(2 * count, last - begin);
    for (uint32_t i = begin == first ? 0 : count; i < ahead_end; ++i) parents.prefetch(static_cast<uint64_t>(rows[i]));
    size_t num_followed = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t parent = parents[static_cast<uint64_t>(rows[i])];
      const uint32_t seed = seeds == nullptr ? 0 : seeds[i];
      found[num_followed] = parent;
      targets[num_followed] = begin + i;
      found_seeds[num_followed] = seed;
      if (parent >= expansion.num_found && parent != parents.none()) throw_corrupt(expansion.edges, "parents", parent);
      const bool is_new_enough = expansion.low_cuts == nullptr || parent >= expansion.low_cuts[seed];
      num_followed += parent < expansion.cuts[seed] && is_new_enough && expansion.is_expanded(begin + i);
    }
    connector.add_rows(num_followed);
    begin += count;
  }
}

// The same for nodes that were found in the list of the very parent that they name: it is known.
template <class Table>
void return_to_origins(const Expansion& expansion, uint32_t first, uint32_t last, Connector<Table>& connector) {
  if (first == last) return;
  const BlockNodes& children = expansion.expanded;
  const uint32_t* const seeds = children.seeds.empty() ? nullptr : children.seeds.data() + children.begin;
  const uint32_t* const origins = children.origins.data();
  const int64_t* const rows = expansion.found.rows.data() + expansion.found.begin;
  const auto edges = connector.known_edges(last - first);
  size_t num_followed = 0;
  for (uint32_t node = first; node < last; ++node) {
    const uint32_t seed = seeds == nullptr ? 0 : seeds[node];
    const auto row = static_cast<uint64_t>(rows[origins[node]]);
    edges.source[num_followed] = origins[node];
    edges.target[num_followed] = node;
    const bool is_new_enough = expansion.low_cuts == nullptr || row >= expansion.low_cuts[seed];
    num_followed += row < expansion.cuts[seed] && is_new_enough && expansion.is_expanded(node);
  }
  connector.add_known_edges(num_followed);
}

}  // namespace relhop
