#include "block.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "budget.h"
#include "subgraph.h"

namespace relhop {

namespace {

constexpr uint64_t kLineBits = 64 * 8;
constexpr uint64_t kNearBits = 4 * kLineBits;  // lists up to this size are fetched whole, longer ones probe by probe
constexpr uint64_t kPiece = 1024;              // of a list that is taken whole
constexpr uint64_t kMostSlots = uint64_t{1} << 27;  // 512 MiB a thread and table at most for RowTable
constexpr uint64_t kMostAdapted = 4;

template <class Table>
class BlockSampler {
 public:
  BlockSampler(const Topology& topology, const SampleOptions& options, Workspace& workspace, Part& part)
      : topology_(topology),
        options_(options),
        scratch_(workspace),
        part_(part),
        num_tables_(topology.tables().size()),
        num_edge_types_(topology.num_edge_types()) {}

  void run(const Seeds& seeds, size_t begin, size_t end) {
    num_slots_ = options_.disjoint ? end - begin : 1;
    find_cuts(seeds, begin);
    scratch_.node_begin.resize(num_tables_);
    scratch_.known.resize(num_tables_, 0);
    scratch_.frontier_begin.assign(num_tables_, 0);
    scratch_.frontier_end.assign(num_tables_, 0);
    scratch_.paths.resize(options_.metapaths.empty() ? 0 : num_tables_);
    tables_of_nodes().resize(num_tables_);
    for (uint32_t t = 0; t < num_tables_; ++t) {
      scratch_.node_begin[t] = part_.rows[t].size();
      tables_of_nodes()[t].reserve(1, topology_.tables()[t].num_rows);
      scratch_.known[t] = 0;
      if (!scratch_.paths.empty()) scratch_.paths[t].clear();
    }
    add_seeds(seeds, begin, end);
    close_hop();
    if (options_.adaptive) plan_nodes(topology_, options_, seeds.table, scratch_.planned);
    scratch_.edge_begin.clear();
    for (const Part::Edges& edges : part_.edges) scratch_.edge_begin.push_back(edges.source.size());
    for (size_t hop = 0; hop < options_.rules.size(); ++hop) {
      for (uint32_t e = 0; e < num_edge_types_; ++e) {
        const size_t before = part_.edges[e].source.size();
        expand(e, hop);
        if (options_.subgraph == Subgraph::directional) count_edges(e, before);
      }
      close_hop();
    }
    if (options_.subgraph != Subgraph::directional) complete();
    // Each kind of table counts its own numbers, and the next block may use another kind.
    for (uint32_t t = 0; t < num_tables_; ++t) tables_of_nodes()[t].clear(scratch_.known[t]);
  }

 private:
  std::vector<Table>& tables_of_nodes() {
    if constexpr (std::is_same_v<Table, RowTable>)
      return scratch_.row_tables;
    else if constexpr (std::is_same_v<Table, HashTable<uint32_t>>)
      return scratch_.narrow_tables;
    else
      return scratch_.wide_tables;
  }
  uint32_t seed_of(uint32_t table, uint32_t node) const {
    return options_.disjoint ? part_.seeds[table][scratch_.node_begin[table] + node] : 0;
  }
  uint64_t row_of(uint32_t table, uint32_t node) const {
    return static_cast<uint64_t>(part_.rows[table][scratch_.node_begin[table] + node]);
  }
  uint64_t cut(uint32_t table, uint32_t slot) const { return scratch_.cuts[table * num_slots_ + slot]; }

  void find_cuts(const Seeds& seeds, size_t begin) {
    scratch_.cuts.resize(num_tables_ * num_slots_);
    scratch_.seed_keys.resize(num_slots_);
    static constexpr int64_t kEndOfTime = INT64_MAX;
    const auto times = options_.disjoint ? seeds.times.subspan(begin, num_slots_) : std::span(&kEndOfTime, 1);
    for (uint32_t t = 0; t < num_tables_; ++t) {
      uint64_t* cuts = scratch_.cuts.data() + t * num_slots_;
      topology_.cuts(t, times, cuts);
      for (size_t i = 0; i < num_slots_; ++i) cuts[i] = std::min(cuts[i], options_.caps[t]);
    }
    const uint64_t batch_key = fold(options_.random_seed, options_.epoch);
    for (size_t i = 0; i < num_slots_; ++i)
      scratch_.seed_keys[i] =
          !options_.disjoint ? batch_key
                             : fold(fold(fold(batch_key, seeds.table), static_cast<uint64_t>(seeds.rows[begin + i])),
                                    static_cast<uint64_t>(times[i]));
    anchors_ = times;
  }

  // For each seed, how many of the table's rows are too old for the window.
  const uint64_t* find_low_cuts(uint32_t table, int64_t window) {
    scratch_.window_ends.resize(num_slots_);
    scratch_.low_cuts.resize(num_slots_);
    for (size_t i = 0; i < num_slots_; ++i)
      scratch_.window_ends[i] = anchors_[i] < INT64_MIN + window ? INT64_MIN : anchors_[i] - window;
    topology_.cuts(table, scratch_.window_ends, scratch_.low_cuts.data());
    return scratch_.low_cuts.data();
  }

  void add_seeds(const Seeds& seeds, size_t begin, size_t end) {
    const uint32_t t = seeds.table;
    Table& table = tables_of_nodes()[t];
    table.reserve(end - begin, topology_.tables()[t].num_rows);
    const auto nodes = table.view();
    scratch_.seed_table = t;
    scratch_.repeats.clear();
    for (size_t i = begin; i < end; ++i) {
      const auto row = static_cast<uint64_t>(seeds.rows[i]);
      const auto number = scratch_.known[t]++;
      const uint32_t first = nodes.insert(Connector<Table>::key(row, options_.disjoint ? i - begin : 0), number);
      if (first != number) scratch_.repeats.emplace_back(first, number);
      part_.rows[t].push_back(seeds.rows[i]);
      if (options_.disjoint) part_.seeds[t].push_back(number);
      if (!scratch_.paths.empty()) scratch_.paths[t].push_back(UINT64_MAX);
    }
  }

  // What was found since the last call becomes the frontier.
  void close_hop() {
    for (uint32_t t = 0; t < num_tables_; ++t) {
      scratch_.frontier_begin[t] = scratch_.frontier_end[t];
      scratch_.frontier_end[t] = scratch_.known[t];
      part_.nodes_per_hop[t].push_back(scratch_.frontier_end[t] - scratch_.frontier_begin[t]);
    }
  }

  void count_edges(uint32_t e, size_t before) {
    part_.edges[e].num_per_hop.push_back(static_cast<uint32_t>(part_.edges[e].source.size() - before));
  }

  void complete() {
    if (options_.subgraph == Subgraph::bidirectional)
      add_reverses(topology_, scratch_.edge_begin, options_.edge_ids, scratch_, part_);
    else
      induce(
          topology_, scratch_.edge_begin, options_.edge_ids,
          [&](uint32_t table, uint64_t row, uint32_t seed) {
            return tables_of_nodes()[table].view().find(Connector<Table>::key(row, seed));
          },
          scratch_, part_);
    for (uint32_t e = 0; e < num_edge_types_; ++e) count_edges(e, scratch_.edge_begin[e]);
  }

  // The metapaths whose step at this hop is this edge type; all, where there are no metapaths.
  uint64_t paths_along(uint32_t e, size_t hop) const {
    if (options_.metapaths.empty()) return UINT64_MAX;
    uint64_t along = 0;
    for (size_t i = 0; i < options_.metapaths.size(); ++i)
      if (hop < options_.metapaths[i].size() && options_.metapaths[i][hop] == e) along |= uint64_t{1} << i;
    return along;
  }

  // [seeds]: the fanout of each seed's nodes.
  void adapt_fanouts(uint32_t table, size_t hop, uint64_t along, int64_t fanout) {
    std::vector<int64_t>& fanouts = scratch_.fanouts;
    fanouts.assign(num_slots_, 0);
    for (uint32_t node = scratch_.frontier_begin[table]; node < scratch_.frontier_end[table]; ++node)
      fanouts[seed_of(table, node)] += is_on(table, node, along);
    const uint64_t planned = options_.metapaths.empty() ? scratch_.planned[hop * num_tables_ + table]
                                                        : planned_on(topology_, options_, along, hop);
    for (int64_t& value : fanouts) {
      const auto found = static_cast<uint64_t>(std::max<int64_t>(value, 1));
      const uint64_t allowed = std::clamp(planned, found, kMostAdapted * found);
      // Fanouts of 2^31 take all that a batch can hold, and their products would not fit.
      value =
          fanout >= int64_t{1} << 31 ? fanout : static_cast<int64_t>(static_cast<uint64_t>(fanout) * allowed / found);
    }
  }

  BlockNodes nodes(uint32_t t) {
    return {part_.rows[t],
            part_.seeds[t],
            scratch_.node_begin[t],
            scratch_.known[t],
            scratch_.paths.empty() ? nullptr : &scratch_.paths[t],
            scratch_.frontier_end[t]};
  }

  void expand(uint32_t e, size_t hop) {
    const Rule& rule = options_.rules[hop][e];
    const uint64_t along = paths_along(e, hop);
    if (rule.fanout == 0 || along == 0) return;
    const EdgeRows& edges = topology_.edge_types()[e];
    const uint32_t first = scratch_.frontier_begin[edges.expanded], last = scratch_.frontier_end[edges.expanded];
    if (first == last) return;
    adapted_ = options_.adaptive && rule.fanout > 0 && edges.kind == EdgeRows::Kind::lists;
    if (adapted_) adapt_fanouts(edges.expanded, hop, along, rule.fanout);
    low_cuts_ = rule.window > 0 ? find_low_cuts(edges.found, rule.window) : nullptr;
    Part::Edges& out = part_.edges[e];
    Connector<Table> connector(edges, topology_.tables()[edges.found].num_rows, nodes(edges.expanded),
                               nodes(edges.found), tables_of_nodes()[edges.found],
                               scratch_.cuts.data() + edges.found * num_slots_, along, scratch_.queue, out.source,
                               out.target, options_.edge_ids ? &out.ids : nullptr);
    if (edges.kind == EdgeRows::Kind::parents)
      follow_parents(edges, along, first, last, connector);
    else
      follow_lists(e, edges, rule, along, first, last, connector);
    connector.finish();
  }

  bool is_on(uint32_t table, uint32_t node, uint64_t along) const {
    return scratch_.paths.empty() || (scratch_.paths[table][node] & along) != 0;
  }

  void follow_parents(const EdgeRows& edges, uint64_t along, uint32_t first, uint32_t last,
                      Connector<Table>& connector) {
    const PackedRows parents = edges.parents;
    const uint64_t num_found = topology_.tables()[edges.found].num_rows;
    const uint64_t* const cuts = scratch_.cuts.data() + edges.found * num_slots_;
    for (uint32_t begin = first; begin < last; begin += std::min(options_.group, last - begin)) {
      const uint32_t count = std::min(options_.group, last - begin);
      connector.make_room(count);
      const size_t part_begin = scratch_.node_begin[edges.expanded] + begin;
      const int64_t* const rows = part_.rows[edges.expanded].data() + part_begin;
      const uint32_t* const seeds = options_.disjoint ? part_.seeds[edges.expanded].data() + part_begin : nullptr;
      uint64_t* const found = connector.rows();
      uint32_t *const targets = connector.targets(), *const found_seeds = connector.seeds();
      if (begin == first)
        for (uint32_t i = 0; i < count; ++i) parents.prefetch(static_cast<uint64_t>(rows[i]));
      for (uint32_t i = count; i < std::min(2 * count, last - begin); ++i)
        parents.prefetch(static_cast<uint64_t>(rows[i]));
      size_t num_found_here = 0;
      for (uint32_t i = 0; i < count; ++i) {
        const uint64_t parent = parents[static_cast<uint64_t>(rows[i])];
        const uint32_t seed = seeds == nullptr ? 0 : seeds[i];
        found[num_found_here] = parent;
        targets[num_found_here] = begin + i;
        found_seeds[num_found_here] = seed;
        if (parent >= num_found && parent != parents.none()) throw_corrupt(edges, "parents", parent);
        const bool is_new_enough = low_cuts_ == nullptr || parent >= low_cuts_[seed];
        num_found_here += parent < cuts[seed] && is_new_enough && is_on(edges.expanded, begin + i, along);
      }
      connector.add_rows(num_found_here);
    }
  }

  void follow_lists(uint32_t e, const EdgeRows& edges, const Rule& rule, uint64_t along, uint32_t first, uint32_t last,
                    Connector<Table>& connector) {
    // While the neighbors of one group are chosen, the lists of the next are on their way, and the offsets of the one
    // after that.
    const uint32_t num_groups = (last - first + options_.group - 1) / options_.group;
    for (uint32_t i = 0; i < num_groups + 2; ++i) {
      const uint32_t begin = first + std::min(i, num_groups) * options_.group;
      if (i < num_groups) collect(edges, along, begin, std::min(begin + options_.group, last), scratch_.groups[i % 3]);
      if (i >= 1 && i <= num_groups) locate(edges, scratch_.groups[(i - 1) % 3]);
      if (i >= 2) {
        Workspace::Group& group = scratch_.groups[(i - 2) % 3];
        search_long_lists(edges.neighbors, group);
        choose(e, edges, rule, group.items, connector);
      }
    }
  }

  void collect(const EdgeRows& edges, uint64_t along, uint32_t begin, uint32_t end, Workspace::Group& group) {
    const uint32_t table = edges.expanded;
    const size_t part_begin = scratch_.node_begin[table];
    const int64_t* const rows = part_.rows[table].data() + part_begin;
    const uint32_t* const seeds = options_.disjoint ? part_.seeds[table].data() + part_begin : nullptr;
    group.items.clear();
    for (uint32_t node = begin; node < end; ++node) {
      if (!is_on(table, node, along)) continue;
      const auto row = static_cast<uint64_t>(rows[node]);
      edges.offsets.prefetch(row);
      group.items.push_back({node, seeds == nullptr ? 0 : seeds[node], row, 0, 0, false});
    }
  }

  // Reads where the lists lie, and asks for those that have to be searched for their visible part.
  void locate(const EdgeRows& edges, Workspace::Group& group) {
    const PackedRows offsets = edges.offsets, neighbors = edges.neighbors;
    const uint64_t num_found = topology_.tables()[edges.found].num_rows;
    const uint64_t* const cuts = scratch_.cuts.data() + edges.found * num_slots_;
    group.searches.clear();
    for (Workspace::Item& item : group.items) {
      item.begin = offsets[item.row];
      item.end = offsets[item.row + 1];
      if (item.begin > item.end || item.end > neighbors.size) throw_corrupt(edges, "offsets", item.end);
      const uint64_t length = item.end - item.begin, bits = length * neighbors.width;
      item.searched = length == 0 || (cuts[item.seed] >= num_found && low_cuts_ == nullptr);
      if (item.searched) continue;
      if (bits <= kNearBits) {
        for (uint64_t bit = 0; bit < bits + kLineBits; bit += kLineBits)
          __builtin_prefetch(neighbors.data + (item.begin * neighbors.width + bit) / 8);
        continue;
      }
      item.searched = true;
      const auto number = static_cast<uint32_t>(&item - group.items.data());
      group.searches.push_back({number, true, item.begin, length, cuts[item.seed]});
      if (low_cuts_ != nullptr) group.searches.push_back({number, false, item.begin, length, low_cuts_[item.seed]});
      neighbors.prefetch(item.begin + (length + 1) / 2 - 1);
    }
  }

  // The searches go in step: each asks for its next probe's memory before any of them waits for it.
  static void search_long_lists(const PackedRows& neighbors, Workspace::Group& group) {
    for (bool going = !group.searches.empty(); going;) {
      going = false;
      for (Workspace::Search& search : group.searches) {
        while (search.length > 0) {
          const uint64_t half = (search.length + 1) / 2;
          search.length -= half;
          search.place += neighbors[search.place + half - 1] < search.bound ? half : 0;
          if (search.length * neighbors.width > kLineBits) break;
        }
        going |= search.length > 0;
        if (search.length > 0) neighbors.prefetch(search.place + (search.length + 1) / 2 - 1);
      }
    }
    for (const Workspace::Search& search : group.searches)
      (search.for_end ? group.items[search.item].end : group.items[search.item].begin) = search.place;
  }

  void choose(uint32_t e, const EdgeRows& edges, const Rule& rule, std::span<const Workspace::Item> items,
              Connector<Table>& connector) {
    const PackedRows neighbors = edges.neighbors;
    const uint64_t* const cuts = scratch_.cuts.data() + edges.found * num_slots_;
    const uint64_t edge_key = mix(e + kGolden);
    for (Workspace::Item item : items) {
      if (!item.searched) {
        item.end = item.begin + neighbors.count_below(item.begin, item.end, cuts[item.seed]);
        if (low_cuts_ != nullptr) item.begin += neighbors.count_below(item.begin, item.end, low_cuts_[item.seed]);
      }
      if (item.begin >= item.end) continue;
      const uint64_t visible = item.end - item.begin;
      const int64_t wanted = adapted_ ? scratch_.fanouts[item.seed] : rule.fanout;
      const bool all = wanted < 0 || (!rule.replace && static_cast<uint64_t>(wanted) >= visible);
      const uint64_t most = all ? visible : static_cast<uint64_t>(wanted);
      if (rule.strategy != Strategy::weighted && (all || rule.strategy == Strategy::last)) {
        add_run(item.end - most, item.end, item, connector);
        continue;
      }
      connector.make_room(most);
      uint64_t* const places = connector.places();
      const bool again = rule.replace && !all;
      const uint64_t count =
          draw(edges, rule, item, most, again, mix(scratch_.seed_keys[item.seed] ^ edge_key), places);
      for (uint64_t i = 0; i < count; ++i) places[i] += item.begin;
      connector.add_places(count, item.node, item.seed);
    }
  }

  static void add_run(uint64_t begin, uint64_t end, const Workspace::Item& item, Connector<Table>& connector) {
    while (begin < end) {
      const uint64_t count = std::min(kPiece, end - begin);
      connector.make_room(count);
      uint64_t* const places = connector.places();
      for (uint64_t i = 0; i < count; ++i) places[i] = begin + i;
      connector.add_places(count, item.node, item.seed);
      begin += count;
    }
  }

  // Writes at most k positions in the visible list, and returns how many.
  uint64_t draw(const EdgeRows& edges, const Rule& rule, const Workspace::Item& item, uint64_t k, bool again,
                uint64_t list_key, uint64_t* out) {
    const uint64_t n = item.end - item.begin;
    const Stream stream(fold(list_key, item.row));
    switch (rule.strategy) {
      case Strategy::recency:
        scratch_.chooser.recency(n, k, stream, out);
        return k;
      case Strategy::last:  // a run at the end: see choose
        break;
      case Strategy::uniform:
        if (again)
          Chooser::uniform_repeated(n, k, stream, out);
        else
          scratch_.chooser.uniform(n, k, stream, out);
        return k;
      case Strategy::weighted: {
        const double before = item.begin == edges.offsets[item.row] ? 0 : edges.weights[item.begin - 1];
        const auto sums = edges.weights.subspan(item.begin, n);
        return again ? Chooser::weighted_repeated(sums, before, k, stream, out)
                     : scratch_.chooser.weighted(sums, before, k, stream, out);
      }
      case Strategy::labor:
        scratch_.ranks.resize(n);
        for (uint64_t i = 0; i < n; ++i) scratch_.ranks[i] = fold(list_key, edges.neighbors[item.begin + i]);
        scratch_.chooser.smallest(scratch_.ranks, k, out);
        return k;
    }
    return 0;
  }

  const Topology& topology_;
  const SampleOptions& options_;
  Workspace& scratch_;
  Part& part_;
  const uint32_t num_tables_, num_edge_types_;
  size_t num_slots_ = 1;  // seeds with a cut and draws of their own
  std::span<const int64_t> anchors_;
  // Of the present expansion:
  bool adapted_ = false;
  const uint64_t* low_cuts_ = nullptr;
};

}  // namespace

Part::Part(const Topology& topology, const Workspace& workspace)
    : rows(topology.tables().size()),
      seeds(topology.tables().size()),
      nodes_per_hop(topology.tables().size()),
      edges(topology.num_edge_types()) {
  for (size_t t = 0; t < workspace.usual_nodes.size(); ++t) rows[t].reserve(workspace.usual_nodes[t]);
  for (size_t e = 0; e < workspace.usual_edges.size(); ++e) {
    edges[e].source.reserve(workspace.usual_edges[e]);
    edges[e].target.reserve(workspace.usual_edges[e]);
  }
}

void Part::note_sizes(Workspace& workspace) const {
  workspace.usual_nodes.clear();
  workspace.usual_edges.clear();
  for (const Buffer<int64_t>& of_table : rows) workspace.usual_nodes.push_back(of_table.size() + of_table.size() / 8);
  for (const Edges& of_type : edges) workspace.usual_edges.push_back(of_type.source.size() + of_type.source.size() / 8);
}

void sample_block(const Topology& topology, const SampleOptions& options, const Seeds& seeds, size_t begin, size_t end,
                  Workspace& workspace, Part& part) {
  const auto rows_at_most = [&](uint64_t most) {
    return std::all_of(topology.tables().begin(), topology.tables().end(),
                       [most](const TableRows& table) { return table.num_rows <= most; });
  };
  if (!options.disjoint && rows_at_most(kMostSlots))
    BlockSampler<RowTable>(topology, options, workspace, part).run(seeds, begin, end);
  else if (!options.disjoint && rows_at_most(UINT32_MAX))
    BlockSampler<HashTable<uint32_t>>(topology, options, workspace, part).run(seeds, begin, end);
  else
    BlockSampler<HashTable<uint64_t>>(topology, options, workspace, part).run(seeds, begin, end);
}

}  // namespace relhop
