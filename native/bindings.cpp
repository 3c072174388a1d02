// The Python face of the native code: views of NumPy arrays in, NumPy arrays out. The only file that knows Python; the
// GIL is released around all work, and errors become Python's here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <variant>

#include "build.h"
#include "error.h"
#include "packed.h"
#include "pipeline.h"
#include "times.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace relhop {
namespace {

template <class T>
using Array = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<const T> view(const Array<T>& array) {
  return {array.data(), array.size()};
}

// An array's elements at whatever distance they lie.
using AnyColumn = nb::ndarray<nb::numpy, nb::ro, nb::ndim<1>, nb::device::cpu>;

// Sets `column` where the array has elements of one of the types.
template <class... T>
bool view_column(const AnyColumn& array, auto& column) {
  const auto* data = static_cast<const uint8_t*>(array.data());
  return ((array.dtype() == nb::dtype<T>() &&
           (column = Strided<T>{data, array.size(), array.stride(0) * static_cast<int64_t>(sizeof(T))}, true)) ||
          ...);
}

// Views that keep the arrays alive that they look at.
struct SharedRows {
  Array<uint8_t> bytes;
  PackedRows rows;
};

// Rows as PackedRows or an array, which the caller keeps alive.
RowColumn view_row_column(nb::handle rows, const char* name) {
  if (nb::isinstance<SharedRows>(rows)) return nb::cast<const SharedRows&>(rows).rows;
  RowColumn column;
  AnyColumn array;
  if (!nb::try_cast(rows, array) || !view_column<int32_t, int64_t, uint32_t, uint64_t>(array, column))
    throw nb::type_error((std::string(name) +
                          " must be PackedRows or a one-dimensional array of int32, int64, uint32 or "
                          "uint64")
                             .c_str());
  return column;
}

WeightColumn view_weights(const AnyColumn& array) {
  WeightColumn column;
  if (!view_column<float, double>(array, column)) throw nb::type_error("weights must be float32 or float64");
  return column;
}

struct SharedTimes {
  Array<uint8_t> blocks, stream;
  PackedTimes times;
};

SharedTimes view_times(const Array<uint8_t>& blocks, const Array<uint8_t>& stream, uint64_t num_rows) {
  if (blocks.size() % sizeof(TimeBlock) != 0 || reinterpret_cast<uintptr_t>(blocks.data()) % alignof(TimeBlock) != 0)
    throw nb::value_error("blocks of times must be whole and aligned to 8 bytes");
  const std::span<const TimeBlock> view_of_blocks(reinterpret_cast<const TimeBlock*>(blocks.data()),
                                                  blocks.size() / sizeof(TimeBlock));
  return {blocks, stream, PackedTimes(view_of_blocks, view(stream), num_rows)};
}

// A topology with its sampler, and the arrays that it looks at.
struct SharedTopology {
  std::vector<std::optional<SharedTimes>> times;
  std::vector<SharedRows> rows;
  std::vector<Array<double>> weights;
  std::unique_ptr<const Topology> topology;
  std::unique_ptr<const Sampler> sampler;
};

struct PyTable {
  std::string name;
  uint64_t num_rows;
  std::optional<SharedTimes> time;
};

struct PyEdges {
  EdgeRows edges;
  std::vector<SharedRows> rows;
  std::optional<Array<double>> weights;
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
    edge_rows.push_back(edges.edges);
  }
  shared->topology = std::make_unique<const Topology>(std::move(table_rows), std::move(edge_rows));
  shared->sampler = std::make_unique<const Sampler>(*shared->topology);
  return shared;
}

struct SharedFeatures {
  nb::ndarray<const uint8_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu> records;
  std::optional<SharedTimes> time;
  std::optional<SharedRows> order;
  FeatureTable table;
};

// NumPy takes over the buffer's memory.
template <class T>
nb::object give(Buffer<T>& buffer, size_t columns = 0) {
  const size_t size = buffer.size();
  buffer.reserve(1);  // a capsule cannot hold null
  T* data = buffer.release();
  nb::capsule owner(data, [](void* p) noexcept { return_memory(p); });
  if (columns == 0) return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {size}, owner));
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<2>>(data, {size / columns, columns}, owner));
}

nb::object give_bytes(const void* data, size_t size) {
  Buffer<uint8_t> bytes(size);
  if (size != 0) std::memcpy(bytes.data(), data, size);
  return give(bytes);
}

template <class T>
nb::object give_columns(Buffer<T>& buffer, size_t columns) {
  return columns == 0 ? nb::none() : give(buffer, columns);
}

nb::dict give_features(FeatureRows& rows, const FeatureTable& table) {
  nb::dict result;
  result["timestamps"] = give_columns(rows.timestamps, table.num_timestamps);
  result["numerical"] = give_columns(rows.numerical, table.num_numerical);
  result["categorical"] = give_columns(rows.categorical, table.num_categorical);
  result["time"] = table.timed ? give(rows.time) : nb::none();
  result["position"] = give(rows.position);
  return result;
}

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

struct PyPipeline {
  std::shared_ptr<const SharedTopology> topology;
  std::vector<std::shared_ptr<const SharedFeatures>> features;
  SampleOptions options;
  Array<int64_t> rows, times;
  uint32_t table;
  size_t batch_size;
  std::unique_ptr<Pipeline> pipeline;

  Batch make(size_t index) const {
    const size_t begin = index * batch_size, count = std::min(batch_size, rows.size() - begin);
    const Seeds seeds{table, view(rows).subspan(begin, count), view(times).subspan(begin, count)};
    Batch batch{topology->sampler->sample(options, seeds), {}};
    for (size_t t = 0; t < features.size(); ++t) {
      const Buffer<int64_t>& found = batch.sample.nodes[t].rows;
      batch.features.push_back(features[t]->table.gather({found.data(), found.size()}));
    }
    return batch;
  }

  nb::object next() {
    using std::chrono::milliseconds;
    for (;;) {
      std::variant<Batch, std::monostate, Pipeline::Wait> result;
      {
        nb::gil_scoped_release release;
        result = pipeline->next(milliseconds(100));
      }
      if (PyErr_CheckSignals() != 0) {  // Ctrl-C while waiting
        close();
        throw nb::python_error();
      }
      if (auto* batch = std::get_if<Batch>(&result)) {
        nb::dict given = give_sample(batch->sample, options);
        nb::list columns;
        for (size_t t = 0; t < features.size(); ++t)
          columns.append(give_features(batch->features[t], features[t]->table));
        given["features"] = columns;
        return given;
      }
      if (std::holds_alternative<std::monostate>(result)) return nb::none();
    }
  }

  void close() {
    nb::gil_scoped_release release;
    pipeline->close();
  }
};

}  // namespace

NB_MODULE(_native, m) {
  m.attr("__doc__") = "Sampling and gathering of neighborhoods; see native/ for the code behind it.";
  // Objects that a module of the user's keeps are alive when the interpreter ends: no cause for alarm.
  nb::set_leak_warnings(false);
  // Never released: the interpreter may be gone when static objects are destroyed.
  static PyObject* corrupt_store =
      nb::object(nb::module_::import_("relhop.errors").attr("CorruptStore")).release().ptr();
  static PyObject* store_error = nb::object(nb::module_::import_("relhop.errors").attr("StoreError")).release().ptr();
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const CorruptStore& error) {
      PyErr_SetString(corrupt_store, error.what());
    } catch (const IoError& error) {
      PyErr_SetString(store_error, error.what());
    }
  });

  m.def("width_of", &width_of, "count"_a,
        "Bits in which the rows of a table of `count` rows are stored, and the largest value for \"no row\".");
  m.def(
      "pack",
      [](const Array<uint64_t>& rows, uint32_t width) {
        std::vector<uint8_t> bytes;
        {
          nb::gil_scoped_release release;
          bytes = pack(view(rows), width);
        }
        return give_bytes(bytes.data(), bytes.size());
      },
      "rows"_a, "width"_a, nb::sig("def pack(rows: NDArray[numpy.uint64], width: int) -> NDArray[numpy.uint8]"),
      "A stream of `width` bits a row, padded to whole words and one more.");
  m.def(
      "encode_times",
      [](const Array<int64_t>& times, uint64_t begin) {
        EncodedTimes encoded;
        {
          nb::gil_scoped_release release;
          encoded = encode_times(view(times), begin);
        }
        return nb::make_tuple(give_bytes(encoded.blocks.data(), encoded.blocks.size() * sizeof(TimeBlock)),
                              give_bytes(encoded.stream.data(), encoded.stream.size()));
      },
      "times"_a, "begin"_a,
      nb::sig("def encode_times(times: NDArray[numpy.int64], begin: int) -> tuple[NDArray[numpy.uint8],"
              " NDArray[numpy.uint8]]"),
      "Blocks and stream of a piece of ascending times; `begin` bytes of the stream were made before. All pieces but "
      "the last hold a multiple of 128 rows. After the last the stream needs 8 bytes of zeros.");

  nb::class_<SharedRows>(m, "PackedRows")
      .def(nb::new_([](const Array<uint8_t>& bytes, uint64_t size, uint32_t width) {
             return SharedRows{bytes, PackedRows(view(bytes), size, width)};
           }),
           "bytes"_a, "size"_a, "width"_a)
      .def("__len__", [](const SharedRows& self) { return self.rows.size; })
      .def_prop_ro("width", [](const SharedRows& self) { return self.rows.width; })
      .def(
          "decode",
          [](const SharedRows& self, uint64_t begin, uint64_t count) {
            if (begin > self.rows.size || count > self.rows.size - begin) throw nb::index_error("beyond the last row");
            Buffer<int64_t> result(count);
            for (uint64_t i = 0; i < count; ++i) {
              const uint64_t row = self.rows[begin + i];
              result[i] = row == self.rows.none() ? -1 : static_cast<int64_t>(row);
            }
            return give(result);
          },
          "begin"_a, "count"_a, nb::sig("def decode(self, begin: int, count: int) -> NDArray[numpy.int64]"),
          "Consecutive elements, \"no row\" as -1.")
      .def(
          "take",
          [](const SharedRows& self, const Array<int64_t>& places) {
            Buffer<int64_t> result(places.size());
            for (size_t i = 0; i < places.size(); ++i) {
              const auto place = static_cast<uint64_t>(places.data()[i]);
              if (place >= self.rows.size) throw nb::index_error("beyond the last row");
              const uint64_t row = self.rows[place];
              result[i] = row == self.rows.none() ? -1 : static_cast<int64_t>(row);
            }
            return give(result);
          },
          "places"_a, nb::sig("def take(self, places: NDArray[numpy.int64]) -> NDArray[numpy.int64]"),
          "Elements anywhere, \"no row\" as -1.");

  nb::class_<ListFiles>(m, "ListFiles")
      .def(
          nb::init<std::string, std::string, std::optional<std::string>, std::optional<std::string>>(), "offsets"_a,
          "neighbors"_a, "edge_ids"_a = nb::none(), "weights"_a = nb::none(),
          "Paths: the list of target t is elements [offsets[t], offsets[t + 1]) of the others, neighbors (packed), the "
          "positions of the edges in the input (packed), cumulative weights in each list (float64).");
  nb::class_<Built>(m, "BuiltLists")
      .def_ro("num_edges", &Built::num_edges, "Edges in the lists: those of the input that have both ends.")
      .def_ro("num_buckets", &Built::num_buckets)
      .def_ro("spilled_bytes", &Built::spilled_bytes, "Bytes that the memory did not hold.");
  m.def(
      "build_lists",
      [](nb::object targets, uint64_t num_targets, nb::object sources, uint64_t num_sources,
         const std::optional<AnyColumn>& weights, const ListFiles& files, bool sort_sources, uint64_t memory_limit,
         unsigned num_threads, std::string scratch_folder, nb::object progress) {
        Edges edges;
        edges.targets = view_row_column(targets, "targets");
        if (!sources.is_none()) edges.sources = view_row_column(sources, "sources");
        if (weights) edges.weights = view_weights(*weights);
        edges.num_targets = num_targets;
        edges.num_sources = num_sources;
        BuildOptions options{sort_sources, memory_limit, num_threads, std::move(scratch_folder), {}};
        options.progress = [&](double fraction) {
          const nb::gil_scoped_acquire acquire;
          if (PyErr_CheckSignals() != 0) throw nb::python_error();
          if (!progress.is_none()) progress(fraction);
        };
        const nb::gil_scoped_release release;
        return build_lists(edges, files, options);
      },
      "targets"_a, "num_targets"_a, "sources"_a.none(), "num_sources"_a, "weights"_a.none(), "files"_a, nb::kw_only(),
      "sort_sources"_a = false, "memory_limit"_a, "num_threads"_a, "scratch_folder"_a, "progress"_a = nb::none(),
      nb::sig("def build_lists(targets: PackedRows | NDArray[numpy.integer], num_targets: int,"
              " sources: PackedRows | NDArray[numpy.integer] | None, num_sources: int,"
              " weights: NDArray[numpy.floating] | None, files: ListFiles, *, sort_sources: bool = False,"
              " memory_limit: int, num_threads: int, scratch_folder: str,"
              " progress: collections.abc.Callable[[float], None] | None = None) -> BuiltLists"),
      "Writes the sources of each target, in the order of the edges or ascending, to packed files. Without sources "
      "that "
      "of edge i is row i. An edge with an end that is \"no row\" (-1) is left out. `memory_limit` bytes hold all but "
      "the "
      "input; more goes to a nameless file in `scratch_folder`. `progress` gets the fraction done.");

  nb::class_<SharedTimes>(m, "PackedTimes")
      .def(nb::new_(&view_times), "blocks"_a, "stream"_a, "num_rows"_a)
      .def("__len__", [](const SharedTimes& self) { return self.times.size(); })
      .def(
          "decode",
          [](const SharedTimes& self, uint64_t begin, uint64_t count) {
            if (begin > self.times.size() || count > self.times.size() - begin)
              throw nb::index_error("beyond the last row");
            Buffer<int64_t> result(count);
            for (uint64_t i = 0; i < count; ++i) result[i] = self.times[begin + i];
            return give(result);
          },
          "begin"_a, "count"_a, nb::sig("def decode(self, begin: int, count: int) -> NDArray[numpy.int64]"),
          "The times of consecutive rows.")
      .def(
          "take",
          [](const SharedTimes& self, const Array<int64_t>& rows) {
            Buffer<int64_t> result(rows.size());
            for (size_t i = 0; i < rows.size(); ++i) {
              const auto row = static_cast<uint64_t>(rows.data()[i]);
              if (row >= self.times.size()) throw nb::index_error("beyond the last row");
              result[i] = self.times[row];
            }
            return give(result);
          },
          "rows"_a, nb::sig("def take(self, rows: NDArray[numpy.int64]) -> NDArray[numpy.int64]"),
          "The times of some rows.")
      .def(
          "cut", [](const SharedTimes& self, int64_t anchor) { return self.times.count_until(anchor); },
          "anchor_time"_a, "How many rows have time <= anchor_time.");

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
          [](std::string name, uint32_t expanded, uint32_t found, const SharedRows& offsets,
             const SharedRows& neighbors, int64_t reverse, std::optional<Array<double>> weights,
             const std::optional<SharedRows>& edge_ids) {
            PyEdges result{{std::move(name),
                            EdgeRows::Kind::lists,
                            expanded,
                            found,
                            reverse,
                            {},
                            offsets.rows,
                            neighbors.rows,
                            {},
                            {}},
                           {offsets, neighbors},
                           weights};
            if (weights) result.edges.weights = view(*weights);
            if (edge_ids) {
              result.edges.edge_ids = edge_ids->rows;
              result.rows.push_back(*edge_ids);
            }
            return result;
          },
          "name"_a, "expanded"_a, "found"_a, "offsets"_a, "neighbors"_a, "reverse"_a = -1, "weights"_a = nb::none(),
          "edge_ids"_a = nb::none(),
          "The list of neighbors of each row of table `expanded` in table `found`; see native/topology.h.")
      .def_static(
          "parents",
          [](std::string name, uint32_t expanded, uint32_t found, const SharedRows& parents, int64_t reverse) {
            return PyEdges{
                {std::move(name), EdgeRows::Kind::parents, expanded, found, reverse, parents.rows, {}, {}, {}, {}},
                {parents},
                {}};
          },
          "name"_a, "expanded"_a, "found"_a, "parents"_a, "reverse"_a = -1,
          "The one parent in table `found` that each row of table `expanded` names.");

  nb::class_<SharedTopology>(m, "Topology")
      .def(nb::new_(&make_topology), "tables"_a, "edge_types"_a)
      .def(
          "sample",
          [](const SharedTopology& topology, const SampleOptions& options, uint32_t table, const Array<int64_t>& rows,
             const Array<int64_t>& times, unsigned num_threads) {
            Sample result;
            {
              nb::gil_scoped_release release;
              result = topology.sampler->sample(options, {table, view(rows), view(times)}, num_threads);
            }
            return give_sample(result, options);
          },
          "options"_a, "table"_a, "rows"_a, "times"_a, "num_threads"_a = 1,
          nb::sig("def sample(self, options: SampleOptions, table: int, rows: NDArray[numpy.int64],"
                  " times: NDArray[numpy.int64], num_threads: int = 1) -> dict[str, list[dict[str, typing.Any]]]"),
          "The neighborhoods of seeds: 'nodes' by table, 'edges' by edge type.");

  nb::class_<Rule>(m, "Rule").def(nb::init<int64_t, Strategy, bool, int64_t>(), "fanout"_a,
                                  "strategy"_a = Strategy::recency, "replace"_a = false, "window"_a = 0);
  nb::class_<SampleOptions>(m, "SampleOptions")
      .def(nb::init<std::vector<std::vector<Rule>>, uint64_t, uint64_t, std::vector<uint64_t>, bool, Subgraph, bool,
                    std::vector<std::vector<uint32_t>>, bool, uint32_t>(),
           "rules"_a, "random_seed"_a, "epoch"_a, "caps"_a, "disjoint"_a = true, "subgraph"_a = Subgraph::directional,
           "edge_ids"_a = false, "metapaths"_a = std::vector<std::vector<uint32_t>>(), "adaptive"_a = false,
           "group"_a = SampleOptions().group);

  nb::class_<SharedFeatures>(m, "FeatureTable")
      .def(nb::new_([](std::string name,
                       nb::ndarray<const uint8_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu> records,
                       std::vector<size_t> num_fields, std::optional<SharedTimes> time,
                       std::optional<SharedRows> order) {
             if (num_fields.size() != 3) throw nb::value_error("num_fields: timestamps, numerical, categorical");
             auto shared = std::make_shared<SharedFeatures>(SharedFeatures{records, time, order, {}});
             FeatureTable& table = shared->table;
             table.name = std::move(name);
             table.records = {reinterpret_cast<const std::byte*>(records.data()), records.size()};
             table.num_rows = records.shape(0);
             table.record_size = records.shape(1);
             table.num_timestamps = num_fields[0];
             table.num_numerical = num_fields[1];
             table.num_categorical = num_fields[2];
             table.timed = time.has_value();
             if (time) table.time = time->times;
             if (order) table.order = order->rows;
             table.check();
             return shared;
           }),
           "name"_a, "records"_a, "num_fields"_a, "time"_a.none(), "order"_a.none())
      .def(
          "gather",
          [](const SharedFeatures& features, Array<int64_t> rows) {
            FeatureRows result;
            {
              nb::gil_scoped_release release;
              result = features.table.gather(view(rows));
            }
            return give_features(result, features.table);
          },
          "rows"_a, nb::sig("def gather(self, rows: NDArray[numpy.int64]) -> dict[str, typing.Any]"),
          "The columns of some rows by kind; see relhop.features.RowFeatures.");

  nb::class_<PyPipeline>(m, "Pipeline")
      .def(
          "__init__",
          [](PyPipeline* self, std::shared_ptr<const SharedTopology> topology,
             std::vector<std::shared_ptr<const SharedFeatures>> features, SampleOptions options, uint32_t table,
             Array<int64_t> rows, Array<int64_t> times, size_t batch_size, unsigned num_threads, size_t depth) {
            if (batch_size == 0 || num_threads == 0 || depth == 0)
              throw nb::value_error("batch_size, num_threads and depth must be at least 1");
            new (self) PyPipeline{
                std::move(topology), std::move(features), std::move(options), rows, times, table, batch_size, nullptr};
            const size_t num_batches = (rows.size() + batch_size - 1) / batch_size;
            self->pipeline =
                std::make_unique<Pipeline>([self](size_t i) { return self->make(i); }, num_batches, num_threads, depth);
          },
          "topology"_a, "features"_a, "options"_a, "table"_a, "rows"_a, "times"_a, "batch_size"_a, "num_threads"_a,
          "depth"_a)
      .def("next", &PyPipeline::next, nb::sig("def next(self) -> dict[str, list[dict[str, typing.Any]]] | None"),
           "The next batch: what sample() returns and 'features' by table. None after the last.")
      .def_prop_ro(
          "num_started", [](PyPipeline& self) { return self.pipeline->num_started(); },
          "How many batches were begun so far.")
      .def("close", &PyPipeline::close, "Stops the threads; no batch follows.");
}

}  // namespace relhop
