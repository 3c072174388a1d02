// Edges that no hop followed: the reverses of those that were, or all that lie between a block's nodes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "sampling/block.h"

namespace relhop {

// The number of a row's node in the block, or UINT32_MAX.
using FindNode = std::function<uint32_t(uint32_t table, uint64_t row, uint32_t seed)>;
// Whether a row is visible to a seed.
using IsVisible = std::function<bool(uint32_t table, uint64_t row, uint32_t seed)>;

// Both: where a seed of a merged batch repeats, edges lead into each node of its row, and out of the first.
//
// Adds to each edge type the block's edges of its reverse, turned around, where none that was followed connects the
// same nodes. `begin`: [edge types], where the block's edges begin in `part`.
void add_reverses(const Topology& topology, std::span<const size_t> begin, bool edge_ids, Workspace& workspace,
                  Part& part);

// Puts in the place of the block's edges every visible edge that leads from one of its nodes to another: those of
// foreign keys in the order of the child nodes, others in the order of the nodes whose lists hold them.
void induce(const Topology& topology, std::span<const size_t> begin, bool edge_ids, const FindNode& find,
            const IsVisible& is_visible, Workspace& workspace, Part& part);

}  // namespace relhop
