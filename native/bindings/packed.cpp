// Row numbers and times of a few bits.
#include <numeric>

#include "bindings/arrays.h"
#include "bindings/modules.h"
#include "bindings/paging.h"

namespace relhop {

namespace {

std::span<const TimeBlock> view_blocks(const Array<uint8_t>& blocks) {
  if (blocks.size() % sizeof(TimeBlock) != 0 || reinterpret_cast<uintptr_t>(blocks.data()) % alignof(TimeBlock) != 0)
    throw nb::value_error("blocks of times must be whole and aligned to 8 bytes");
  return {reinterpret_cast<const TimeBlock*>(blocks.data()), blocks.size() / sizeof(TimeBlock)};
}

SharedTimes view_times(const Array<uint8_t>& blocks, const Array<uint8_t>& stream, uint64_t num_rows) {
  return {blocks, stream, nullptr, PackedTimes(view_blocks(blocks), view(stream), num_rows)};
}

SharedTimes paged_times(const Array<uint8_t>& blocks, std::shared_ptr<SharedPool> pool, const std::string& path,
                        uint64_t num_rows) {
  const PagedFile& file = pool->pool.add(path);
  auto words = std::make_shared<PagedElements>(SharedPaged{std::move(pool), PagedRows::words_of(file)});
  PackedTimes times(view_blocks(blocks), *words, file.file.size(), num_rows);
  return {blocks, std::nullopt, std::move(words), std::move(times)};
}

nb::object take_times(const PackedTimes& times, std::span<const int64_t> rows) {
  Buffer<int64_t> result(rows.size());
  {
    nb::gil_scoped_release release;
    times.take(rows, result.data());
  }
  return give(result);
}

}  // namespace

void bind_packed(nb::module_& m) {
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

  nb::class_<SharedTimes>(m, "PackedTimes")
      .def(nb::new_(&view_times), "blocks"_a, "stream"_a, "num_rows"_a)
      .def_static("paged", &paged_times, "blocks"_a, "pool"_a, "path"_a, "num_rows"_a,
                  "The same of a stream in a file that is read as needed.")
      .def("__len__", [](const SharedTimes& self) { return self.times.size(); })
      .def(
          "decode",
          [](const SharedTimes& self, uint64_t begin, uint64_t count) {
            if (begin > self.times.size() || count > self.times.size() - begin)
              throw nb::index_error("beyond the last row");
            std::vector<int64_t> rows(count);
            std::iota(rows.begin(), rows.end(), static_cast<int64_t>(begin));
            return take_times(self.times, rows);
          },
          "begin"_a, "count"_a, nb::sig("def decode(self, begin: int, count: int) -> NDArray[numpy.int64]"),
          "The times of consecutive rows.")
      .def(
          "take",
          [](const SharedTimes& self, const Array<int64_t>& rows) {
            for (const int64_t row : view(rows))
              if (static_cast<uint64_t>(row) >= self.times.size()) throw nb::index_error("beyond the last row");
            return take_times(self.times, view(rows));
          },
          "rows"_a, nb::sig("def take(self, rows: NDArray[numpy.int64]) -> NDArray[numpy.int64]"),
          "The times of some rows.")
      .def(
          "cut", [](const SharedTimes& self, int64_t anchor) { return self.times.count_until(anchor); },
          "anchor_time"_a, nb::call_guard<nb::gil_scoped_release>(), "How many rows have time <= anchor_time.");
}

}  // namespace relhop
