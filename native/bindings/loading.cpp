// Batches made ahead.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <variant>

#include "bindings/modules.h"
#include "bindings/shared.h"
#include "loading/disk_pipeline.h"
#include "loading/memory_pipeline.h"

namespace relhop {

namespace {

using PyWanted = std::tuple<std::shared_ptr<const SharedFeatures>, bool, uint32_t>;

using PyHeld = std::vector<std::shared_ptr<const HeldRows>>;  // of each that is wanted, or nothing at all

void check(const SharedTopology& topology, const std::vector<PyWanted>& wanted, const PyHeld& held,
           const SampleOptions& options) {
  if (!held.empty() && held.size() != wanted.size())
    throw nb::value_error("held: of each that is wanted what is held, or None");
  for (size_t w = 0; w < wanted.size(); ++w) {
    const auto& [features, is_edge, number] = wanted[w];
    const size_t count = is_edge ? topology.topology->edge_types().size() : topology.topology->tables().size();
    if (number >= count) throw nb::index_error("wanted names a table or an edge type that the topology lacks");
    if (!held.empty() && held[w] != nullptr && held[w]->num_rows() != features->table.num_rows)
      throw nb::value_error("held: rows of a table of another size");
    if (is_edge && !options.edge_ids) throw nb::value_error("features of edges need the option edge_ids");
  }
}

struct PyPipeline {
  std::shared_ptr<const SharedTopology> topology;
  std::vector<PyWanted> wanted;
  PyHeld held;
  SampleOptions options;
  std::unique_ptr<Pipeline> pipeline;
  DiskPipeline* from_disk = nullptr;  // the same, where links or something that is wanted are on disk

  void start(unsigned num_threads, size_t ahead, std::optional<size_t> look_ahead) {
    std::vector<Wanted> native;
    bool any_on_disk = topology->topology->is_paged();
    for (size_t w = 0; w < wanted.size(); ++w) {
      const auto& [features, is_edge, number] = wanted[w];
      native.push_back({&features->table, is_edge, number, held.empty() ? nullptr : held[w].get()});
      any_on_disk = any_on_disk || features->table.disk != nullptr;
    }
    const BatchSampler sampler{topology->sampler.get(), &options};
    if (any_on_disk) {
      auto made = std::make_unique<DiskPipeline>(sampler, std::move(native), num_threads, look_ahead, ahead);
      from_disk = made.get();
      pipeline = std::move(made);
    } else {
      pipeline = std::make_unique<MemoryPipeline>(sampler, std::move(native), num_threads, ahead);
    }
  }

  void put(const Array<uint32_t>& tables, const Array<int64_t>& rows, const Array<int64_t>& times) {
    if (tables.size() != rows.size() || times.size() != rows.size())
      throw nb::value_error("a seed has a table, a row and a time");
    pipeline->put({copy(tables), copy(rows), copy(times)});
  }

  template <class T>
  static Buffer<T> copy(const Array<T>& array) {
    Buffer<T> result(array.size());
    std::ranges::copy(view(array), result.data());
    return result;
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
        nb::list features;
        for (size_t w = 0; w < wanted.size(); ++w) {
          nb::dict of_one = give_features(batch->features[w], std::get<0>(wanted[w])->table);
          if (!held.empty() && held[w] != nullptr) {
            of_one["slots"] = give(batch->splits[w].slots);
            of_one["places"] = give(batch->splits[w].places);
          }
          features.append(of_one);
        }
        given["features"] = features;
        return given;
      }
      if (std::holds_alternative<std::monostate>(result)) return nb::none();
    }
  }

  nb::list take_stats() const {
    nb::list result;
    if (from_disk != nullptr)
      for (const ReadStats& of_one : from_disk->take_stats()) result.append(give_stats(of_one));
    return result;
  }

  std::pair<double, double> take_seconds() const {
    const Effort effort = pipeline->take_effort();
    return {effort.sampling, effort.gathering};
  }

  void close() {
    nb::gil_scoped_release release;
    pipeline->close();
  }
};

}  // namespace

void bind_loading(nb::module_& m) {
  nb::class_<HeldRows>(m, "HeldRows")
      .def(
          "__init__",
          [](HeldRows* self, Array<int64_t> rows, uint64_t num_rows) { new (self) HeldRows(view(rows), num_rows); },
          "rows"_a, "num_rows"_a,
          "Some of a table's rows, ascending, which whoever takes batches has already. Takes 2 bits a row of the "
          "table.")
      .def("__len__", &HeldRows::size, "How many are held.");

  nb::class_<PyPipeline>(m, "Pipeline", nb::is_weak_referenceable())
      .def(
          "__init__",
          [](PyPipeline* self, std::shared_ptr<const SharedTopology> topology, std::vector<PyWanted> wanted,
             SampleOptions options, unsigned num_threads, size_t ahead, std::optional<size_t> look_ahead, PyHeld held) {
            if (num_threads == 0 || ahead == 0) throw nb::value_error("num_threads and ahead must be at least 1");
            if (look_ahead.value_or(0) > kMostAhead) throw nb::value_error("look_ahead must be at most 1024");
            check(*topology, wanted, held, options);
            new (self) PyPipeline{std::move(topology), std::move(wanted), std::move(held), std::move(options), nullptr};
            self->start(num_threads, ahead, look_ahead);
          },
          "topology"_a, "wanted"_a, "options"_a, "num_threads"_a, "ahead"_a, "look_ahead"_a = nb::none(),
          "held"_a.sig("()") = PyHeld(),
          nb::sig("def __init__(self, topology: Topology, wanted: Sequence[tuple[FeatureTable, bool, int]],"
                  " options: SampleOptions, num_threads: int, ahead: int, look_ahead: int | None = None,"
                  " held: Sequence[HeldRows | None] = ()) -> None"),
          "Batches with what is wanted: (features, is_edge, number), of the nodes of table `number`, or by their ids "
          "of the edges of edge type `number`. At most `ahead` batches wait for the consumer; `look_ahead` more are "
          "sampled where something is on disk, or as many as their sizes and pools tell. What is held of `wanted` is "
          "not gathered; it is of 'features' then "
          "'slots', int64 [N]: of a held row its number among those that are held, of others 0; and 'places', int64: "
          "where in the batch the others are, whose features come.")
      .def("put", &PyPipeline::put, "tables"_a, "rows"_a, "times"_a,
           "Adds a batch: of each seed the number of its table, its row and anchor time. Copies them. After the "
           "pipeline's end nothing follows.")
      .def(
          "finish", [](PyPipeline& self) { self.pipeline->finish(); }, "Says that no batch follows.")
      .def("next", &PyPipeline::next, nb::sig("def next(self) -> dict[str, list[dict[str, typing.Any]]] | None"),
           "The next batch: what sample() returns, and 'features' as they are wanted, each as gather() of a "
           "FeatureTable "
           "gives them. None after the last. A RuntimeError where there is none to wait for.")
      .def_prop_ro(
          "capacity", [](const PyPipeline& self) { return self.pipeline->capacity(); },
          "So many batches, put and not yet taken, keep the threads busy and the look-ahead full.")
      .def_prop_ro(
          "num_started", [](PyPipeline& self) { return self.pipeline->num_started(); },
          "How many batches were begun so far.")
      .def("take_stats", &PyPipeline::take_stats, nb::sig("def take_stats(self) -> list[dict[str, float]]"),
           "What was read from disk since the last call, of each that is wanted; nothing where none is on disk.")
      .def("take_seconds", &PyPipeline::take_seconds,
           "Seconds since the last call that threads sampled, and gathered rows, all threads together.")
      .def("close", &PyPipeline::close, "Stops the threads; no batch follows.");
}

}  // namespace relhop
