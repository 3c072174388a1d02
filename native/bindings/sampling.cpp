// Graphs, and neighborhoods out of them.
#include <nanobind/stl/variant.h>

#include "bindings/modules.h"
#include "bindings/shared.h"

namespace relhop {

namespace {

struct PyTable {
  std::string name;
  uint64_t num_rows;
  std::optional<SharedTimes> time;
};

using AnyWeights = std::variant<Array<double>, SharedPaged>;

struct PyEdges {
  EdgeRows edges;
  std::vector<SharedRows> rows;
  std::optional<Array<double>> weights;
  std::shared_ptr<SharedPool> pool;

  void hold(const AnyRows& from, PackedRows& in_memory, PagedRows PagedEdges::* on_disk) {
    if (const auto* const paged = std::get_if<SharedPaged>(&from)) {
      hold(*paged, on_disk);
      in_memory = paged->rows.shape();
    } else {
      rows.push_back(std::get<SharedRows>(from));
      in_memory = rows.back().rows;
    }
  }
  void hold(const AnyWeights& from) {
    if (const auto* const paged = std::get_if<SharedPaged>(&from)) {
      if (paged->rows.width != 64) throw nb::value_error("sums of weights have 64 bits");
      hold(*paged, &PagedEdges::weights);
    } else {
      weights = std::get<Array<double>>(from);
      edges.weights = view(*weights);
    }
  }
  void hold(const SharedPaged& from, PagedRows PagedEdges::* on_disk) {
    if (pool != nullptr && pool != from.pool) throw nb::value_error("an edge type has one pool");
    pool = from.pool;
    if (!edges.paged) edges.paged.emplace();
    *edges.paged.*on_disk = from.rows;
  }
  void check() const {
    if (pool != nullptr && (!rows.empty() || weights))
      throw nb::value_error("an edge type is in memory or on disk, not both");
  }
};

std::shared_ptr<const SharedTopology> make_topology(const std::vector<PyTable>& tables,
                                                    const std::vector<PyEdges>& edge_types) {
  auto shared = std::make_shared<SharedTopology>();
  std::vector<TableRows> table_rows;
  for (const PyTable& table : tables) {
    shared->times.push_back(table.time);
    table_rows.push_back(
        {table.name, table.num_rows, table.time.has_value(), table.time ? table.time->times : PackedTimes()});
  }
  std::vector<EdgeRows> edge_rows;
  for (const PyEdges& edges : edge_types) {
    shared->rows.insert(shared->rows.end(), edges.rows.begin(), edges.rows.end());
    if (edges.weights) shared->weights.push_back(*edges.weights);
    if (edges.pool) shared->pools.push_back(edges.pool);
    edge_rows.push_back(edges.edges);
  }
  shared->topology = std::make_unique<const Topology>(std::move(table_rows), std::move(edge_rows));
  shared->sampler = std::make_unique<const Sampler>(*shared->topology);
  return shared;
}

}  // namespace

nb::dict give_sample(Sample& sample, const SampleOptions& options) {
  nb::list nodes, edges;
  for (Sample::Nodes& of_table : sample.nodes) {
    nb::dict d;
    d["rows"] = give(of_table.rows);
    d["batch"] = options.disjoint ? give(of_table.batch) : nb::none();
    d["num_per_hop"] = nb::cast(of_table.num_per_hop);
    nodes.append(d);
  }
  for (Sample::Edges& of_type : sample.edges) {
    nb::dict d;
    d["source"] = give(of_type.source);
    d["target"] = give(of_type.target);
    d["ids"] = options.edge_ids ? give(of_type.ids) : nb::none();
    d["num_per_hop"] = nb::cast(of_type.num_per_hop);
    edges.append(d);
  }
  nb::dict result;
  result["nodes"] = nodes;
  result["edges"] = edges;
  return result;
}

void bind_sampling(nb::module_& m) {
  nb::enum_<Strategy>(m, "Strategy")
      .value("recency", Strategy::recency)
      .value("last", Strategy::last)
      .value("uniform", Strategy::uniform)
      .value("weighted", Strategy::weighted)
      .value("labor", Strategy::labor);
  nb::enum_<Subgraph>(m, "Subgraph")
      .value("directional", Subgraph::directional)
      .value("bidirectional", Subgraph::bidirectional)
      .value("induced", Subgraph::induced);

  nb::class_<PyTable>(m, "TableRows")
      .def(nb::init<std::string, uint64_t, std::optional<SharedTimes>>(), "name"_a, "num_rows"_a, "time"_a.none());
  nb::class_<PyEdges>(m, "EdgeRows")
      .def_static(
          "lists",
          [](std::string name, uint32_t expanded, uint32_t found, const AnyRows& offsets, const AnyRows& neighbors,
             int64_t reverse, const std::optional<AnyWeights>& weights, const std::optional<AnyRows>& edge_ids,
             int64_t timed_by) {
            PyEdges result;
            EdgeRows& edges = result.edges;
            edges.name = std::move(name);
            edges.kind = EdgeRows::Kind::lists;
            edges.expanded = expanded;
            edges.found = found;
            edges.reverse = reverse;
            result.hold(offsets, edges.offsets, &PagedEdges::offsets);
            result.hold(neighbors, edges.neighbors, &PagedEdges::neighbors);
            if (weights) result.hold(*weights);
            if (edge_ids) result.hold(*edge_ids, edges.edge_ids, &PagedEdges::edge_ids);
            edges.timed_by = timed_by;
            result.check();
            return result;
          },
          "name"_a, "expanded"_a, "found"_a, "offsets"_a, "neighbors"_a, "reverse"_a = -1, "weights"_a = nb::none(),
          "edge_ids"_a = nb::none(), "timed_by"_a = -1,
          "The list of neighbors of each row of table `expanded` in table `found`; see native/sampling/topology.h. All "
          "in memory or all on disk, where weights are numbers of 64 bits. `timed_by`: the table whose rows the edges "
          "are, where they have times of their own.")
      .def_static(
          "parents",
          [](std::string name, uint32_t expanded, uint32_t found, const AnyRows& parents, int64_t reverse) {
            PyEdges result;
            EdgeRows& edges = result.edges;
            edges.name = std::move(name);
            edges.kind = EdgeRows::Kind::parents;
            edges.expanded = expanded;
            edges.found = found;
            edges.reverse = reverse;
            result.hold(parents, edges.parents, &PagedEdges::parents);
            return result;
          },
          "name"_a, "expanded"_a, "found"_a, "parents"_a, "reverse"_a = -1,
          "The one parent in table `found` that each row of table `expanded` names.");

  nb::class_<SharedTopology>(m, "Topology")
      .def(nb::new_(&make_topology), "tables"_a, "edge_types"_a)
      .def(
          "sample",
          [](const SharedTopology& topology, const SampleOptions& options, const Array<uint32_t>& tables,
             const Array<int64_t>& rows, const Array<int64_t>& times, unsigned num_threads) {
            Sample result;
            {
              nb::gil_scoped_release release;
              result = topology.sampler->sample(options, {view(tables), view(rows), view(times)}, num_threads);
            }
            return give_sample(result, options);
          },
          "options"_a, "tables"_a, "rows"_a, "times"_a, "num_threads"_a = 1,
          nb::sig("def sample(self, options: SampleOptions, tables: NDArray[numpy.uint32], rows: NDArray[numpy.int64],"
                  " times: NDArray[numpy.int64], num_threads: int = 1) -> dict[str, list[dict[str, typing.Any]]]"),
          "The neighborhoods of seeds, each a table's number, a row and an anchor time: 'nodes' by table, 'edges' by "
          "edge type. Each table's nodes begin with its seeds in the order given; 'batch' is the seed's place in it.");

  nb::class_<Rule>(m, "Rule").def(nb::init<int64_t, Strategy, bool, int64_t>(), "fanout"_a,
                                  "strategy"_a = Strategy::recency, "replace"_a = false, "window"_a = 0);
  nb::class_<SampleOptions>(m, "SampleOptions")
      .def(nb::init<std::vector<std::vector<Rule>>, uint64_t, uint64_t, std::vector<uint64_t>, bool, Subgraph, bool,
                    std::vector<std::vector<uint32_t>>, bool, uint32_t>(),
           "rules"_a, "random_seed"_a, "epoch"_a, "caps"_a, "disjoint"_a = true, "subgraph"_a = Subgraph::directional,
           "edge_ids"_a = false, "metapaths"_a = std::vector<std::vector<uint32_t>>(), "adaptive"_a = false,
           "group"_a = SampleOptions().group);
}

}  // namespace relhop
