#include "sampling/budget.h"

#include <algorithm>

namespace relhop {

namespace {

constexpr uint64_t kMost = uint64_t{1} << 40;

uint64_t product(uint64_t a, uint64_t b) { return a == 0 || b == 0 ? 0 : a > kMost / b ? kMost : a * b; }

uint64_t most_of_step(const Topology& topology, const SampleOptions& options, uint32_t e, size_t hop) {
  const int64_t fanout = options.rules[hop][e].fanout;
  if (topology.edge_types()[e].kind == EdgeRows::Kind::parents) return fanout == 0 ? 0 : 1;
  return fanout < 0 ? kMost : std::min(kMost, static_cast<uint64_t>(fanout));
}

}  // namespace

void plan_nodes(const Topology& topology, const SampleOptions& options, uint32_t seed_table,
                std::vector<uint64_t>& planned) {
  const size_t num_tables = topology.tables().size();
  planned.assign((options.rules.size() + 1) * num_tables, 0);
  planned[seed_table] = 1;
  for (size_t hop = 0; hop < options.rules.size(); ++hop)
    for (uint32_t e = 0; e < topology.num_edge_types(); ++e) {
      const EdgeRows& edges = topology.edge_types()[e];
      uint64_t& found = planned[(hop + 1) * num_tables + edges.found];
      const uint64_t expanded = planned[hop * num_tables + edges.expanded];
      found = std::min(kMost, found + product(expanded, most_of_step(topology, options, e, hop)));
    }
}

uint64_t planned_on(const Topology& topology, const SampleOptions& options, uint32_t seed_table, uint64_t along,
                    size_t hop) {
  const auto& paths = options.metapaths;
  uint64_t planned = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    if ((along >> i & 1) == 0 || topology.edge_types()[paths[i][0]].expanded != seed_table) continue;
    bool is_new = true;
    for (size_t j = 0; j < i; ++j)
      is_new &= (along >> j & 1) == 0 || !std::equal(paths[i].begin(), paths[i].begin() + hop, paths[j].begin());
    uint64_t of_path = is_new ? 1 : 0;
    for (size_t step = 0; step < hop; ++step)
      of_path = product(of_path, most_of_step(topology, options, paths[i][step], step));
    planned += of_path;
  }
  return std::min(kMost, planned);
}

}  // namespace relhop
