#include "sampling/subgraph.h"

#include <algorithm>

namespace relhop {

namespace {

uint64_t pair_key(int64_t source, int64_t target) {
  return static_cast<uint64_t>(source) << 32 | static_cast<uint64_t>(target);
}

// Seeds of a merged batch that are there already.
class Repeats {
 public:
  explicit Repeats(const Workspace& workspace) : by_first_(workspace.repeats), nodes_(by_first_.size()) {
    for (size_t t = 0; t < by_first_.size(); ++t) {
      for (const auto& [first, node] : by_first_[t]) nodes_[t].push_back(node);  // ascending, as seeds are numbered
      std::sort(by_first_[t].begin(), by_first_[t].end());
    }
  }

  bool holds(uint32_t table, uint32_t node) const {
    return std::binary_search(nodes_[table].begin(), nodes_[table].end(), node);
  }
  // Calls visit(node) for each node of a row, given its first.
  void for_each_node(uint32_t table, uint32_t first, auto visit) const {
    visit(first);
    const auto& repeats = by_first_[table];
    const auto begin = std::lower_bound(repeats.begin(), repeats.end(), std::pair(first, uint32_t{0}));
    for (auto i = begin; i != repeats.end() && i->first == first; ++i) visit(i->second);
  }

 private:
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> by_first_;  // [tables]
  std::vector<std::vector<uint32_t>> nodes_;
};

class Inducer {
 public:
  Inducer(const Topology& topology, bool edge_ids, const FindNode& find, const IsVisible& is_visible,
          Workspace& workspace, Part& part)
      : topology_(topology),
        edge_ids_(edge_ids),
        find_(find),
        is_visible_(is_visible),
        workspace_(workspace),
        repeats_(workspace),
        part_(part) {}

  void run(uint32_t e) {
    const EdgeRows& edges = topology_.edge_types()[e];
    const EdgeRows* const reverse =
        edges.reverse < 0 ? nullptr : &topology_.edge_types()[static_cast<size_t>(edges.reverse)];
    out_ = &part_.edges[e];
    if (edges.kind == EdgeRows::Kind::parents)
      from_keys(edges, false);
    else if (reverse != nullptr && reverse->kind == EdgeRows::Kind::parents)
      from_keys(*reverse, true);
    else
      from_lists(edges);
  }

 private:
  struct Node {
    uint64_t row;
    uint32_t seed;
  };
  Node node(uint32_t table, uint32_t number) const {
    const size_t i = workspace_.node_begin[table] + number;
    return {static_cast<uint64_t>(part_.rows[table][i]), part_.seeds[table].empty() ? 0 : part_.seeds[table][i]};
  }

  void from_keys(const EdgeRows& keys, bool to_parent) {
    const uint32_t known = workspace_.known[keys.expanded];
    if (!keys.paged) {
      for (uint32_t child = 0; child < known; ++child)
        add_key(keys, child, keys.parents[node(keys.expanded, child).row], to_parent);
      return;
    }
    PagedScratch& scratch = workspace_.paged;
    for (uint32_t begin = 0; begin < known; begin = std::min(begin + kPagedNodes, known)) {
      const uint32_t end = std::min(begin + kPagedNodes, known);
      scratch.places.clear();
      for (uint32_t child = begin; child < end; ++child) scratch.places.push_back(node(keys.expanded, child).row);
      scratch.gather(keys.paged->parents, scratch.places, scratch.values);
      for (uint32_t child = begin; child < end; ++child) add_key(keys, child, scratch.values[child - begin], to_parent);
    }
  }

  void add_key(const EdgeRows& keys, uint32_t child, uint64_t parent_row, bool to_parent) {
    const auto [row, seed] = node(keys.expanded, child);
    if (parent_row == keys.parents.none()) return;
    check(keys, "parents", parent_row);
    const uint32_t parent = find_(keys.found, parent_row, seed);
    if (parent == UINT32_MAX || (to_parent && repeats_.holds(keys.expanded, child))) return;
    if (to_parent)
      repeats_.for_each_node(keys.found, parent, [&](uint32_t node) { add(child, node, row); });
    else
      add(parent, child, row);
  }

  void from_lists(const EdgeRows& edges) {
    const uint32_t known = workspace_.known[edges.expanded];
    if (edges.paged) return from_paged_lists(edges, known);
    for (uint32_t target = 0; target < known; ++target) {
      const uint64_t row = node(edges.expanded, target).row;
      const uint64_t end = edges.offsets[row + 1];
      if (end > edges.neighbors.size) throw_corrupt(edges, "offsets", end);
      for (uint64_t place = edges.offsets[row]; place < end; ++place) {
        const uint64_t neighbor = edges.neighbors[place];
        add_neighbor(edges, target, neighbor, edges.edge_ids.data == nullptr ? neighbor : edges.edge_ids[place]);
      }
    }
  }

  void from_paged_lists(const EdgeRows& edges, uint32_t known) {
    PagedScratch& scratch = workspace_.paged;
    const PagedEdges& arrays = *edges.paged;
    for (uint32_t begin = 0; begin < known; begin = std::min(begin + kPagedNodes, known)) {
      const uint32_t end = std::min(begin + kPagedNodes, known);
      scratch.places.clear();
      for (uint32_t target = begin; target < end; ++target) {
        scratch.places.push_back(node(edges.expanded, target).row);
        scratch.places.push_back(scratch.places.back() + 1);
      }
      scratch.gather(arrays.offsets, scratch.places, scratch.chosen);
      std::vector<uint32_t>& targets = scratch.going;
      scratch.places.clear();
      targets.clear();
      for (uint32_t target = begin; target < end; ++target) {
        const uint64_t list_end = scratch.chosen[2 * (target - begin) + 1];
        if (list_end > edges.neighbors.size) throw_corrupt(edges, "offsets", list_end);
        for (uint64_t place = scratch.chosen[2 * (target - begin)]; place < list_end; ++place) {
          scratch.places.push_back(place);
          targets.push_back(target);
          if (targets.size() == kPagedElements) add_listed(edges, targets);
        }
      }
      add_listed(edges, targets);
    }
  }

  // The neighbors at scratch.places, a target each.
  void add_listed(const EdgeRows& edges, std::vector<uint32_t>& targets) {
    PagedScratch& scratch = workspace_.paged;
    scratch.gather(edges.paged->neighbors, scratch.places, scratch.rows);
    const bool are_numbered = edges.paged->edge_ids.file != nullptr;
    if (are_numbered) scratch.gather(edges.paged->edge_ids, scratch.places, scratch.ids);
    for (size_t i = 0; i < targets.size(); ++i)
      add_neighbor(edges, targets[i], scratch.rows[i], are_numbered ? scratch.ids[i] : scratch.rows[i]);
    scratch.places.clear();
    targets.clear();
  }

  void add_neighbor(const EdgeRows& edges, uint32_t target, uint64_t neighbor, uint64_t id) {
    check(edges, "children", neighbor);
    const uint32_t seed = node(edges.expanded, target).seed;
    if (edges.is_timed() && !is_visible_(edges.ordering_table(), id, seed)) return;
    const uint32_t source = find_(edges.found, neighbor, seed);
    if (source != UINT32_MAX) add(source, target, id);
  }

  void check(const EdgeRows& edges, const char* file, uint64_t row) const {
    if (row >= topology_.tables()[edges.found].num_rows) throw_corrupt(edges, file, row);
  }

  void add(uint32_t source, uint32_t target, uint64_t id) {
    out_->source.push_back(source);
    out_->target.push_back(target);
    if (edge_ids_) out_->ids.push_back(static_cast<int64_t>(id));
  }

  const Topology& topology_;
  const bool edge_ids_;
  const FindNode& find_;
  const IsVisible& is_visible_;
  Workspace& workspace_;
  const Repeats repeats_;
  Part& part_;
  PartEdges* out_ = nullptr;
};

}  // namespace

void add_reverses(const Topology& topology, std::span<const size_t> begin, bool edge_ids, Workspace& workspace,
                  Part& part) {
  const Repeats repeats(workspace);
  std::vector<size_t> end;
  for (const PartEdges& edges : part.edges) end.push_back(edges.source.size());
  for (uint32_t e = 0; e < topology.num_edge_types(); ++e) {
    const EdgeRows& edges = topology.edge_types()[e];
    if (edges.reverse < 0) continue;
    const auto r = static_cast<size_t>(edges.reverse);
    PartEdges& out = part.edges[e];
    const PartEdges& reverse = part.edges[r];
    workspace.pairs.clear(1);
    workspace.pairs.reserve(end[e] - begin[e]);
    const auto pairs = workspace.pairs.view();
    for (size_t i = begin[e]; i < end[e]; ++i) pairs.insert(pair_key(out.source[i], out.target[i]), 0);
    for (size_t i = begin[r]; i < end[r]; ++i) {
      const int64_t source = reverse.target[i], found = reverse.source[i];
      if (repeats.holds(edges.found, static_cast<uint32_t>(source))) continue;
      repeats.for_each_node(edges.expanded, static_cast<uint32_t>(found), [&](int64_t target) {
        if (pairs.find(pair_key(source, target)) != kAbsent) return;
        out.source.push_back(source);
        out.target.push_back(target);
        if (edge_ids) out.ids.push_back(reverse.ids[i]);
      });
    }
  }
}

void induce(const Topology& topology, std::span<const size_t> begin, bool edge_ids, const FindNode& find,
            const IsVisible& is_visible, Workspace& workspace, Part& part) {
  Inducer inducer(topology, edge_ids, find, is_visible, workspace, part);
  for (uint32_t e = 0; e < topology.num_edge_types(); ++e) {
    PartEdges& edges = part.edges[e];
    edges.source.resize(begin[e]);
    edges.target.resize(begin[e]);
    if (edge_ids) edges.ids.resize(begin[e]);
    inducer.run(e);
  }
}

}  // namespace relhop
