#include "sampling/assembly.h"

#include <cstring>
#include <numeric>

namespace relhop {

Assembly::Assembly(const Topology& topology, const SampleOptions& options, std::vector<Part> parts,
                   std::vector<size_t> bounds)
    : topology_(topology),
      hops_(options.rules.size()),
      edge_hops_(options.subgraph == Subgraph::directional ? hops_ : 1),
      directional_(options.subgraph == Subgraph::directional),
      disjoint_(options.disjoint),
      edge_ids_(options.edge_ids),
      parts_(std::move(parts)),
      bounds_(std::move(bounds)) {
  for (size_t t = 0; t < topology.tables().size(); ++t) {
    Sample::Nodes& nodes = sample_.nodes.emplace_back();
    node_begin_.push_back(
        begins([t](const Part& p) -> const auto& { return p.nodes_per_hop[t]; }, hops_ + 1, nodes.num_per_hop));
    const auto total = static_cast<size_t>(std::reduce(nodes.num_per_hop.begin(), nodes.num_per_hop.end()));
    if (!is_whole()) nodes.rows.resize(total);
    if (disjoint_) nodes.batch.resize(total);
  }
  for (size_t e = 0; e < topology.num_edge_types(); ++e) {
    Sample::Edges& edges = sample_.edges.emplace_back();
    edge_begin_.push_back(
        begins([e](const Part& p) -> const auto& { return p.edges[e].num_per_hop; }, edge_hops_, edges.num_per_hop));
    const auto total = static_cast<size_t>(std::reduce(edges.num_per_hop.begin(), edges.num_per_hop.end()));
    if (!is_whole()) {
      edges.source.resize(total);
      edges.target.resize(total);
      if (edge_ids_) edges.ids.resize(total);
    }
    if (options.subgraph != Subgraph::directional) edges.num_per_hop.clear();
  }
}

template <class Counts>
Assembly::Begins Assembly::begins(Counts counts, size_t hops, std::vector<int64_t>& per_hop) const {
  Begins result(hops, std::vector<int64_t>(bounds_.back()));
  int64_t total = 0;
  for (size_t hop = 0; hop < hops; ++hop) {
    const int64_t before = total;
    for (size_t p = 0; p < parts_.size(); ++p)
      for (size_t block = bounds_[p]; block < bounds_[p + 1]; ++block) {
        result[hop][block] = total;
        total += counts(parts_[p])[(block - bounds_[p]) * hops + hop];
      }
    per_hop.push_back(total - before);
  }
  return result;
}

void Assembly::place(size_t p) {
  Part& part = parts_[p];
  std::vector<size_t> next_node(part.rows.size(), 0), next_edge(part.edges.size(), 0);
  std::vector<Shifts> shifts_of_block;
  for (size_t block = bounds_[p]; block < bounds_[p + 1]; ++block) {
    const size_t local = block - bounds_[p];
    for (uint32_t t = 0; t < part.rows.size(); ++t) {
      place_nodes(part, block, t, next_node[t]);
      for (size_t hop = 0; hop <= hops_; ++hop) next_node[t] += part.nodes_per_hop[t][local * (hops_ + 1) + hop];
    }
    shifts_of_block.clear();
    for (uint32_t t = 0; t < part.rows.size() && !is_whole(); ++t)
      shifts_of_block.push_back(shifts(part, block, local, t));
    for (uint32_t e = 0; e < part.edges.size() && !is_whole(); ++e) {
      place_edges(part, block, local, shifts_of_block, e, next_edge[e]);
      for (size_t hop = 0; hop < edge_hops_; ++hop) next_edge[e] += part.edges[e].num_per_hop[local * edge_hops_ + hop];
    }
  }
  if (!is_whole()) return;
  // The only block: its order and numbers are the batch's.
  for (size_t t = 0; t < part.rows.size(); ++t) sample_.nodes[t].rows = std::move(part.rows[t]);
  for (size_t e = 0; e < part.edges.size(); ++e) {
    sample_.edges[e].source = std::move(part.edges[e].source);
    sample_.edges[e].target = std::move(part.edges[e].target);
    sample_.edges[e].ids = std::move(part.edges[e].ids);
  }
}

void Assembly::place_nodes(const Part& part, size_t block, uint32_t t, size_t begin) {
  Sample::Nodes& nodes = sample_.nodes[t];
  const size_t local = block - bounds_[static_cast<size_t>(&part - parts_.data())];
  for (size_t hop = 0; hop <= hops_; ++hop) {
    const size_t count = part.nodes_per_hop[t][local * (hops_ + 1) + hop];
    const auto place = static_cast<size_t>(node_begin_[t][hop][block]);
    if (count != 0 && !is_whole())
      std::memcpy(nodes.rows.data() + place, part.rows[t].data() + begin, count * sizeof(int64_t));
    if (disjoint_)
      for (size_t i = 0; i < count; ++i)
        nodes.batch[place + i] = static_cast<int64_t>(block * kBlock + part.seeds[t][begin + i]);
    begin += count;
  }
}

Assembly::Shifts Assembly::shifts(const Part& part, size_t block, size_t local, uint32_t t) const {
  Shifts result;
  int64_t number = 0;
  for (size_t hop = 0; hop <= hops_; ++hop) {
    result.first.push_back(number);
    result.shift.push_back(node_begin_[t][hop][block] - number);
    number += part.nodes_per_hop[t][local * (hops_ + 1) + hop];
  }
  return result;
}

void Assembly::place_edges(const Part& part, size_t block, size_t local, std::span<const Shifts> shifts, uint32_t e,
                           size_t begin) {
  const Shifts& of_source = shifts[topology_.edge_types()[e].found];
  const Shifts& of_target = shifts[topology_.edge_types()[e].expanded];
  const PartEdges& edges = part.edges[e];
  Sample::Edges& out = sample_.edges[e];
  for (size_t hop = 0; hop < edge_hops_; ++hop) {
    const size_t count = edges.num_per_hop[local * edge_hops_ + hop];
    const auto place = static_cast<size_t>(edge_begin_[e][hop][block]);
    const std::span source(edges.source.data() + begin, count), target(edges.target.data() + begin, count);
    // What a hop expands, the hop before it found.
    of_source.apply(source, 0, directional_ ? hop + 1 : hops_, out.source.data() + place);
    of_target.apply(target, directional_ ? hop : 0, directional_ ? hop : hops_, out.target.data() + place);
    if (edge_ids_ && count != 0) std::memcpy(out.ids.data() + place, edges.ids.data() + begin, count * sizeof(int64_t));
    begin += count;
  }
}

}  // namespace relhop
