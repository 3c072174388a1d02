// Files behind a pool of pages.
#include "bindings/paging.h"

#include <numeric>

#include "bindings/arrays.h"
#include "bindings/modules.h"

namespace relhop {

namespace {

nb::object gather(const SharedPaged& self, std::span<const uint64_t> places) {
  std::vector<uint64_t> values;
  Buffer<int64_t> result(places.size());
  {
    nb::gil_scoped_release release;
    self.pool->gather(self.rows, places, values);
    for (size_t i = 0; i < values.size(); ++i)
      result[i] = values[i] == self.rows.mask ? -1 : static_cast<int64_t>(values[i]);
  }
  return give(result);
}

nb::dict stats(SharedPool& self) {
  const PagePool::Stats stats = self.pool.stats();
  nb::dict result;
  result["hits"] = stats.hits;
  result["misses"] = stats.misses;
  result["reads"] = stats.reads;
  result["bytes"] = stats.bytes;
  result["seconds"] = stats.seconds;
  return result;
}

}  // namespace

void bind_paging(nb::module_& m) {
  nb::class_<SharedPool>(m, "PagePool")
      .def(nb::new_([](uint64_t bytes, double reads_per_second, double bytes_per_second, uint32_t page_size) {
             return std::make_shared<SharedPool>(bytes, DeviceCost{reads_per_second, bytes_per_second}, page_size);
           }),
           "bytes"_a, "reads_per_second"_a, "bytes_per_second"_a, "page_size"_a = 4096,
           "Memory of so many bytes for pages of files, on a device of such speed.")
      .def_prop_ro("bytes", [](const SharedPool& self) { return self.pool.bytes(); })
      .def_prop_ro(
          "num_frames", [](SharedPool& self) { return self.pool.num_frames(); },
          "Pages that it holds at most; after this no file is added.")
      .def("stats", &stats, nb::sig("def stats(self) -> dict[str, typing.Any]"),
           "'hits' and 'misses' of pages that were wanted; 'reads' of the device, their 'bytes' and the 'seconds' that "
           "threads spent reading.");

  nb::class_<SharedPaged>(m, "PagedRows")
      .def(nb::new_([](std::shared_ptr<SharedPool> pool, const std::string& path, uint64_t size, uint32_t width) {
             const PagedFile& file = pool->pool.add(path);
             return SharedPaged{std::move(pool), PagedRows(file, size, width)};
           }),
           "pool"_a, "path"_a, "size"_a, "width"_a, "What PackedRows is, of a file that is read as needed.")
      .def("__len__", [](const SharedPaged& self) { return self.rows.size; })
      .def_prop_ro("width", [](const SharedPaged& self) { return self.rows.width; })
      .def(
          "decode",
          [](const SharedPaged& self, uint64_t begin, uint64_t count) {
            if (begin > self.rows.size || count > self.rows.size - begin) throw nb::index_error("beyond the last row");
            std::vector<uint64_t> places(count);
            std::iota(places.begin(), places.end(), begin);
            return gather(self, places);
          },
          "begin"_a, "count"_a, nb::sig("def decode(self, begin: int, count: int) -> NDArray[numpy.int64]"),
          "Consecutive elements, \"no row\" as -1.")
      .def(
          "take",
          [](const SharedPaged& self, const Array<int64_t>& places) {
            const std::span wanted(reinterpret_cast<const uint64_t*>(places.data()), places.size());
            for (const uint64_t place : wanted)
              if (place >= self.rows.size) throw nb::index_error("beyond the last row");
            return gather(self, wanted);
          },
          "places"_a, nb::sig("def take(self, places: NDArray[numpy.int64]) -> NDArray[numpy.int64]"),
          "Elements anywhere, \"no row\" as -1.");
}

}  // namespace relhop
