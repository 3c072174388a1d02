#include "sampling/block.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "sampling/budget.h"
#include "sampling/lists.h"
#include "sampling/paged_expansion.h"
#include "sampling/parents.h"
#include "sampling/subgraph.h"

namespace relhop {

namespace {

constexpr uint64_t kMostSlots = uint64_t{1} << 27;  // 512 MiB a thread and table at most for RowTable
constexpr uint64_t kMostAdapted = 4;
constexpr uint64_t kRoomOfNodes = 4;

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

  // The seeds [begin, end), in blocks. Many blocks' cuts are found at once, for their searches to overlap.
  void run(const Seeds& seeds, size_t begin, size_t end) {
    const size_t size = options_.disjoint ? kBlock : std::max<size_t>(end - begin, 1);
    const size_t num_blocks = std::max<size_t>((end - begin + size - 1) / size, 1);
    for (size_t block = 0; block < num_blocks; ++block) {
      const size_t first = begin + block * size;
      if (block % kBlocksAtOnce == 0) find_cuts(seeds, first, std::min(end, first + kBlocksAtOnce * size));
      sample_block(seeds, first, std::min(end, first + size));
    }
  }

 private:
  static constexpr size_t kBlocksAtOnce = 32;

  void sample_block(const Seeds& seeds, size_t begin, size_t end) {
    num_slots_ = options_.disjoint ? end - begin : 1;
    find_keys(seeds, begin);
    scratch_.node_begin.resize(num_tables_);
    scratch_.known.resize(num_tables_, 0);
    scratch_.entered.assign(num_tables_, 0);
    scratch_.frontier_begin.assign(num_tables_, 0);
    scratch_.frontier_end.assign(num_tables_, 0);
    scratch_.paths.resize(options_.metapaths.empty() ? 0 : num_tables_);
    scratch_.origins.resize(num_tables_);
    scratch_.found_now.assign(num_edge_types_, {0, 0});
    tables_of_nodes().resize(num_tables_);
    for (uint32_t t = 0; t < num_tables_; ++t) {
      scratch_.node_begin[t] = part_.rows[t].size();
      if (topology_.has_nodes(t)) tables_of_nodes()[t].reserve(1, topology_.tables()[t].num_rows);
      scratch_.known[t] = 0;
      if (!scratch_.paths.empty()) scratch_.paths[t].clear();
    }
    add_seeds(seeds, begin, end);
    close_hop();
    if (options_.adaptive) plan(seeds.tables.subspan(begin, end - begin));
    scratch_.edge_begin.clear();
    for (const PartEdges& edges : part_.edges) scratch_.edge_begin.push_back(edges.source.size());
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

  std::span<const int64_t> anchors(const Seeds& seeds, size_t begin, size_t end) const {
    static constexpr int64_t kEndOfTime = INT64_MAX;
    return options_.disjoint ? seeds.times.subspan(begin, end - begin) : std::span(&kEndOfTime, 1);
  }

  void find_cuts(const Seeds& seeds, size_t begin, size_t end) {
    const auto times = anchors(seeds, begin, end);
    first_with_cut_ = begin;
    num_cuts_ = times.size();
    scratch_.cuts.resize(num_tables_ * num_cuts_);
    for (uint32_t t = 0; t < num_tables_; ++t) {
      uint64_t* cuts = scratch_.cuts.data() + t * num_cuts_;
      topology_.cuts(t, times, cuts);
      for (size_t i = 0; i < num_cuts_; ++i) cuts[i] = std::min(cuts[i], options_.caps[t]);
    }
  }

  void find_keys(const Seeds& seeds, size_t begin) {
    cuts_of_block_ = scratch_.cuts.data() + (begin - first_with_cut_);
    anchors_ = anchors(seeds, begin, begin + num_slots_);
    scratch_.seed_keys.resize(num_slots_);
    const uint64_t batch_key = fold(options_.random_seed, options_.epoch);
    for (size_t i = 0; i < num_slots_; ++i)
      scratch_.seed_keys[i] =
          !options_.disjoint
              ? batch_key
              : fold(fold(fold(batch_key, seeds.tables[begin + i]), static_cast<uint64_t>(seeds.rows[begin + i])),
                     static_cast<uint64_t>(anchors_[i]));
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
    scratch_.repeats.resize(num_tables_);
    for (auto& of_table : scratch_.repeats) of_table.clear();
    for (size_t i = begin; i < end;) {
      const size_t first = i;
      while (i < end && seeds.tables[i] == seeds.tables[first]) ++i;
      add_seeds_of_table(seeds, begin, first, i);
    }
  }

  // The seeds [first, last), all of one table; the block's begin at `begin`.
  void add_seeds_of_table(const Seeds& seeds, size_t begin, size_t first, size_t last) {
    const uint32_t t = seeds.tables[first];
    Table& table = tables_of_nodes()[t];
    table.reserve(scratch_.known[t] + (last - first), topology_.tables()[t].num_rows);
    const auto nodes = table.view();
    uint32_t number = scratch_.known[t];
    for (size_t i = first; i < last; ++i, ++number) {
      const auto row = static_cast<uint64_t>(seeds.rows[i]);
      const uint32_t known = nodes.insert(Connector<Table>::key(row, options_.disjoint ? i - begin : 0), number);
      if (known != number) scratch_.repeats[t].emplace_back(known, number);
    }
    scratch_.known[t] = scratch_.entered[t] = number;
    const auto rows = seeds.rows.subspan(first, last - first);
    const size_t before = part_.rows[t].size();
    part_.rows[t].resize(before + rows.size());
    std::copy(rows.begin(), rows.end(), part_.rows[t].data() + before);
    if (!scratch_.paths.empty()) scratch_.paths[t].resize(number, UINT64_MAX);
    if (!options_.disjoint) return;
    part_.seeds[t].resize(before + rows.size());
    std::iota(part_.seeds[t].data() + before, part_.seeds[t].data() + part_.seeds[t].size(),
              static_cast<uint32_t>(first - begin));
  }

  void plan(std::span<const uint32_t> seed_tables) {
    scratch_.planned.resize(num_tables_);
    for (auto& of_table : scratch_.planned) of_table.clear();
    for (const uint32_t t : seed_tables)
      if (scratch_.planned[t].empty()) plan_nodes(topology_, options_, t, scratch_.planned[t]);
    seed_tables_ = seed_tables;
  }

  // What was found since the last call becomes the frontier.
  void close_hop() {
    scratch_.found_before.swap(scratch_.found_now);
    scratch_.found_now.assign(num_edge_types_, {0, 0});
    for (uint32_t t = 0; t < num_tables_; ++t) {
      scratch_.frontier_begin[t] = scratch_.frontier_end[t];
      scratch_.frontier_end[t] = scratch_.known[t];
      part_.nodes_per_hop[t].push_back(scratch_.frontier_end[t] - scratch_.frontier_begin[t]);
    }
  }

  void count_edges(uint32_t e, size_t before) {
    part_.edges[e].num_per_hop.push_back(static_cast<uint32_t>(part_.edges[e].source.size() - before));
  }

  // Steps leave what they found out of the table of nodes until another one needs it. Most neighbors that are looked up
  // once are new: the emptier the table is, the fewer of them fall on another one's slot.
  void enter_nodes(uint32_t t) {
    uint32_t& entered = scratch_.entered[t];
    if (entered == scratch_.known[t]) return;
    Table& table = tables_of_nodes()[t];
    table.reserve(kRoomOfNodes * scratch_.known[t], topology_.tables()[t].num_rows);
    const auto nodes = table.view();
    const int64_t* const rows = part_.rows[t].data() + scratch_.node_begin[t];
    for (; entered < scratch_.known[t]; ++entered)
      nodes.insert(Connector<Table>::key(static_cast<uint64_t>(rows[entered]), seed_of(t, entered)), entered);
  }

  // Lists of a foreign key hold no row twice, nor do any two of them share one.
  Lookup lookup_of(const EdgeRows& edges, const Rule& rule) const {
    const bool is_of_key = edges.kind == EdgeRows::Kind::lists && edges.reverse >= 0 &&
                           topology_.edge_types()[static_cast<size_t>(edges.reverse)].kind == EdgeRows::Kind::parents;
    if (!options_.disjoint || !is_of_key || rule.replace) return Lookup::always;
    return scratch_.known[edges.found] == 0 ? Lookup::never : Lookup::once;
  }

  void complete() {
    if (options_.subgraph == Subgraph::induced)
      for (uint32_t t = 0; t < num_tables_; ++t) enter_nodes(t);
    if (options_.subgraph == Subgraph::bidirectional)
      add_reverses(topology_, scratch_.edge_begin, options_.edge_ids, scratch_, part_);
    else
      induce(
          topology_, scratch_.edge_begin, options_.edge_ids,
          [&](uint32_t table, uint64_t row, uint32_t seed) {
            return tables_of_nodes()[table].view().find(Connector<Table>::key(row, seed));
          },
          [&](uint32_t table, uint64_t row, uint32_t seed) { return row < cuts_of_block_[table * num_cuts_ + seed]; },
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
      fanouts[seed_of(table, node)] += scratch_.paths.empty() || (scratch_.paths[table][node] & along) != 0;
    const bool has_paths = !options_.metapaths.empty();
    for (size_t seed = 0; seed < num_slots_; ++seed) {
      int64_t& value = fanouts[seed];
      const uint32_t from = seed_tables_[seed];
      const uint64_t planned = has_paths ? planned_on(topology_, options_, from, along, hop)
                                         : scratch_.planned[from][hop * num_tables_ + table];
      const auto found = static_cast<uint64_t>(std::max<int64_t>(value, 1));
      const uint64_t allowed = std::clamp(planned, found, kMostAdapted * found);
      // Fanouts of 2^31 take all that a batch can hold, and their products would not fit.
      value =
          fanout >= int64_t{1} << 31 ? fanout : static_cast<int64_t>(static_cast<uint64_t>(fanout) * allowed / found);
    }
  }

  // The keys that the next hop reads of what this step finds: not those that lead back. Where all seeds share a graph,
  // a hop finds more nodes than the cache would keep keys of.
  std::span<const PackedRows> find_next_keys(uint32_t e, size_t hop) {
    scratch_.next_keys.clear();
    if (!options_.disjoint || hop + 1 == options_.rules.size()) return {};
    for (uint32_t next = 0; next < num_edge_types_; ++next) {
      const EdgeRows& edges = topology_.edge_types()[next];
      if (edges.kind == EdgeRows::Kind::parents && !edges.paged && edges.expanded == topology_.edge_types()[e].found &&
          edges.reverse != e && options_.rules[hop + 1][next].fanout != 0)
        scratch_.next_keys.push_back(edges.parents);
    }
    return scratch_.next_keys;
  }

  BlockNodes nodes(uint32_t t) {
    return {part_.rows[t],           part_.seeds[t],      scratch_.node_begin[t],
            scratch_.known[t],       scratch_.origins[t], scratch_.paths.empty() ? nullptr : &scratch_.paths[t],
            scratch_.frontier_end[t]};
  }

  void expand(uint32_t e, size_t hop) {
    const Rule& rule = options_.rules[hop][e];
    const uint64_t along = paths_along(e, hop);
    if (rule.fanout == 0 || along == 0) return;
    const EdgeRows& edges = topology_.edge_types()[e];
    const uint32_t first = scratch_.frontier_begin[edges.expanded], last = scratch_.frontier_end[edges.expanded];
    if (first == last) return;
    const bool adapted = options_.adaptive && rule.fanout > 0 && edges.kind == EdgeRows::Kind::lists;
    if (adapted) adapt_fanouts(edges.expanded, hop, along, rule.fanout);
    const uint32_t ordering = edges.ordering_table();
    // A table without times has no row that is too old.
    const bool has_window = rule.window > 0 && topology_.tables()[ordering].timed;
    const Expansion expansion{edges,
                              rule,
                              e,
                              topology_.tables()[edges.found].num_rows,
                              topology_.tables()[ordering].num_rows,
                              nodes(edges.expanded),
                              nodes(edges.found),
                              along,
                              options_.group,
                              cuts_of_block_ + edges.found * num_cuts_,
                              cuts_of_block_ + ordering * num_cuts_,
                              has_window ? find_low_cuts(ordering, rule.window) : nullptr,
                              adapted ? scratch_.fanouts.data() : nullptr,
                              scratch_.seed_keys.data(),
                              find_next_keys(e, hop)};
    const uint32_t before = scratch_.known[edges.found];
    const Lookup lookup = lookup_of(edges, rule);
    if (lookup != Lookup::never) enter_nodes(edges.found);
    Connector<Table> connector(expansion, lookup, tables_of_nodes()[edges.found], scratch_.queue, part_.edges[e],
                               options_.edge_ids);
    if (edges.kind == EdgeRows::Kind::lists && !edges.paged)
      ListFollower<Table>(expansion, scratch_.lists, connector).run(first, last);
    else if (edges.kind == EdgeRows::Kind::lists)
      follow_paged(expansion, first, last, scratch_.paged, scratch_.lists.chooser, connector, options_.edge_ids);
    else
      follow_keys(expansion, first, last, connector);
    connector.finish();
    if (lookup == Lookup::always) scratch_.entered[edges.found] = scratch_.known[edges.found];
    scratch_.found_now[e] = {before, scratch_.known[edges.found]};
  }

  // Nodes that were found in their parent's list need not be asked who their parent is.
  void follow_keys(const Expansion& expansion, uint32_t first, uint32_t last, Connector<Table>& connector) {
    const Workspace::Range listed = expansion.edges.reverse < 0
                                        ? Workspace::Range{first, first}
                                        : scratch_.found_before[static_cast<size_t>(expansion.edges.reverse)];
    const bool is_listed = listed.begin >= first && listed.end <= last && listed.begin < listed.end;
    const uint32_t begin = is_listed ? listed.begin : last, end = is_listed ? listed.end : last;
    follow_read_keys(expansion, first, begin, connector);
    return_to_origins(expansion, begin, end, connector);
    follow_read_keys(expansion, end, last, connector);
  }

  void follow_read_keys(const Expansion& expansion, uint32_t first, uint32_t last, Connector<Table>& connector) {
    if (expansion.edges.paged)
      follow_paged(expansion, first, last, scratch_.paged, scratch_.lists.chooser, connector, options_.edge_ids);
    else
      follow_parents(expansion, first, last, connector);
  }

  const Topology& topology_;
  const SampleOptions& options_;
  Workspace& scratch_;
  Part& part_;
  const uint32_t num_tables_, num_edge_types_;
  size_t first_with_cut_ = 0, num_cuts_ = 1;  // the seeds whose cuts are known
  const uint64_t* cuts_of_block_ = nullptr;   // of the first table
  size_t num_slots_ = 1;                      // seeds of the block with a cut and draws of their own
  std::span<const int64_t> anchors_;          // theirs
  std::span<const uint32_t> seed_tables_;     // of the block; known where fanouts adapt
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
  for (const PartEdges& of_type : edges)
    workspace.usual_edges.push_back(of_type.source.size() + of_type.source.size() / 8);
}

void sample_blocks(const Topology& topology, const SampleOptions& options, const Seeds& seeds, size_t begin, size_t end,
                   Workspace& workspace, Part& part) {
  const auto rows_at_most = [&](uint64_t most) {
    for (uint32_t t = 0; t < topology.tables().size(); ++t)
      if (topology.has_nodes(t) && topology.tables()[t].num_rows > most) return false;
    return true;
  };
  // What is on disk may be larger than memory: then nothing has a place for each row.
  if (!options.disjoint && !topology.is_paged() && rows_at_most(kMostSlots))
    BlockSampler<RowTable>(topology, options, workspace, part).run(seeds, begin, end);
  else if (rows_at_most(options.disjoint ? uint64_t{1} << kNarrowRowBits : UINT32_MAX))
    BlockSampler<HashTable<uint32_t>>(topology, options, workspace, part).run(seeds, begin, end);
  else
    BlockSampler<HashTable<uint64_t>>(topology, options, workspace, part).run(seeds, begin, end);
}

}  // namespace relhop
