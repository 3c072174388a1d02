// Batches made ahead.
#include <variant>

#include "bindings/modules.h"
#include "bindings/shared.h"
#include "loading/pipeline.h"

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

void bind_loading(nb::module_& m) {
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
