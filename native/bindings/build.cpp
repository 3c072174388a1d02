// Neighbor lists from edges.
#include "build/build.h"

#include <variant>

#include "bindings/arrays.h"
#include "bindings/modules.h"

namespace relhop {

namespace {

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

}  // namespace

void bind_build(nb::module_& m) {
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
}

}  // namespace relhop
