// Batches made ahead.
#include <variant>

#include "bindings/modules.h"
#include "bindings/shared.h"
#include "loading/disk_pipeline.h"
#include "loading/memory_pipeline.h"

namespace relhop {

namespace {

struct PyPipeline {
  std::shared_ptr<const SharedTopology> topology;
  std::vector<std::shared_ptr<const SharedFeatures>> features;
  SampleOptions options;
  Array<int64_t> rows, times;
  uint32_t table;
  size_t batch_size;
  std::unique_ptr<Pipeline> pipeline;
  DiskPipeline* from_disk = nullptr;  // the same, where a table is on disk

  void start(unsigned num_threads, size_t depth, size_t look_ahead) {
    const size_t num_batches = (rows.size() + batch_size - 1) / batch_size;
    std::vector<const FeatureTable*> tables;
    bool any_on_disk = false;
    for (const auto& shared : features) {
      tables.push_back(&shared->table);
      any_on_disk = any_on_disk || shared->table.disk != nullptr;
    }
    if (any_on_disk) {
      auto made = std::make_unique<DiskPipeline>([this](size_t i) { return sample(i); }, std::move(tables), num_batches,
                                                 num_threads, look_ahead, depth);
      from_disk = made.get();
      pipeline = std::move(made);
    } else {
      pipeline =
          std::make_unique<MemoryPipeline>([this](size_t i) { return make(i); }, num_batches, num_threads, depth);
    }
  }

  Sample sample(size_t index) const {
    const size_t begin = index * batch_size, count = std::min(batch_size, rows.size() - begin);
    const Seeds seeds{table, view(rows).subspan(begin, count), view(times).subspan(begin, count)};
    return topology->sampler->sample(options, seeds);
  }

  Batch make(size_t index) const {
    Batch batch{sample(index), {}};
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

  nb::list take_stats() const {
    nb::list result;
    if (from_disk != nullptr)
      for (const ReadStats& of_table : from_disk->take_stats()) result.append(give_stats(of_table));
    return result;
  }

  void close() {
    nb::gil_scoped_release release;
    pipeline->close();
  }
};

}  // namespace

void bind_loading(nb::module_& m) {
  nb::class_<PyPipeline>(m, "Pipeline", nb::is_weak_referenceable())
      .def(
          "__init__",
          [](PyPipeline* self, std::shared_ptr<const SharedTopology> topology,
             std::vector<std::shared_ptr<const SharedFeatures>> features, SampleOptions options, uint32_t table,
             Array<int64_t> rows, Array<int64_t> times, size_t batch_size, unsigned num_threads, size_t depth,
             size_t look_ahead) {
            if (batch_size == 0 || num_threads == 0 || depth == 0)
              throw nb::value_error("batch_size, num_threads and depth must be at least 1");
            if (look_ahead > kMostAhead) throw nb::value_error("look_ahead must be at most 1024");
            new (self) PyPipeline{
                std::move(topology), std::move(features), std::move(options), rows, times, table, batch_size, nullptr};
            self->start(num_threads, depth, look_ahead);
          },
          "topology"_a, "features"_a, "options"_a, "table"_a, "rows"_a, "times"_a, "batch_size"_a, "num_threads"_a,
          "depth"_a, "look_ahead"_a = 0)
      .def("next", &PyPipeline::next, nb::sig("def next(self) -> dict[str, list[dict[str, typing.Any]]] | None"),
           "The next batch: what sample() returns and 'features' by table. None after the last.")
      .def_prop_ro(
          "num_started", [](PyPipeline& self) { return self.pipeline->num_started(); },
          "How many batches were begun so far.")
      .def("take_stats", &PyPipeline::take_stats, nb::sig("def take_stats(self) -> list[dict[str, float]]"),
           "What was read from disk since the last call, by table; nothing where no table is on disk.")
      .def("close", &PyPipeline::close, "Stops the threads; no batch follows.");
}

}  // namespace relhop
