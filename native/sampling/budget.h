// How many nodes the fanouts allow a seed to find, which is what adaptive fanouts are measured by. At most 2^40: so
// many are allowed by a fanout of all, too.
#pragma once

#include <cstdint>
#include <vector>

#include "sampling/sampler.h"

namespace relhop {

// planned[hop * tables + t]: of table t by the hop.
void plan_nodes(const Topology& topology, const SampleOptions& options, uint32_t seed_table,
                std::vector<uint64_t>& planned);

// By the hop on the metapaths `along`, a bit each, that begin at the seed's table; a beginning that some of them share
// counts once.
uint64_t planned_on(const Topology& topology, const SampleOptions& options, uint32_t seed_table, uint64_t along,
                    size_t hop);

}  // namespace relhop
