// Files that are read past the page cache. What tests and benchmarks need of it; the rest of relhop reads natively.
#include "bindings/arrays.h"
#include "bindings/modules.h"
#include "io/device.h"
#include "io/direct_file.h"
#include "io/extents.h"
#include "io/faults.h"
#include "io/many_reads.h"
#include "io/two_plans.h"

namespace relhop {

namespace {

ManyReads::Engine engine_of(const std::string& name) {
  if (name == "automatic") return ManyReads::Engine::automatic;
  if (name == "io_uring") return ManyReads::Engine::io_uring;
  if (name == "pread") return ManyReads::Engine::pread;
  throw nb::value_error("engine: 'automatic', 'io_uring' or 'pread'");
}

std::vector<ManyReads::Read> wanted(const std::vector<std::shared_ptr<DirectFile>>& files, const Array<uint32_t>& which,
                                    const Array<uint64_t>& offsets, const Array<uint64_t>& lengths) {
  if (which.size() != offsets.size() || offsets.size() != lengths.size())
    throw nb::value_error("which, offsets and lengths must have the same size");
  std::vector<ManyReads::Read> reads(which.size());
  for (size_t i = 0; i < reads.size(); ++i) {
    if (which.data()[i] >= files.size()) throw nb::index_error("beyond the last file");
    reads[i] = {files[which.data()[i]].get(), offsets.data()[i], lengths.data()[i]};
  }
  return reads;
}

Fault::Kind kind_of(const std::string& name) {
  if (name == "fail") return Fault::Kind::fail;
  if (name == "cut") return Fault::Kind::cut;
  if (name == "flip") return Fault::Kind::flip;
  if (name == "refuse") return Fault::Kind::refuse;
  throw nb::value_error("kind: 'fail', 'cut', 'flip' or 'refuse'");
}

void bind_faults(nb::module_& m) {
  m.def(
      "inject_fault",
      [](const std::string& kind, std::string path, int64_t value, uint64_t offset, uint64_t after, uint64_t times) {
        inject({kind_of(kind), std::move(path), value, offset, after, times});
      },
      "kind"_a, "path"_a = "", "value"_a = 0, "offset"_a = 0, "after"_a = 0, "times"_a = uint64_t{1} << 63,
      "For tests only. Reads of files whose path contains `path` 'fail' with errno `value`, are 'cut' to `value` "
      "bytes, "
      "or have bits `value` of the file's byte `offset` flipped ('flip'): `times` times, after so many that were "
      "spared. 'refuse': a step of io_uring's setup ('ring', 'buffers', 'files' as path) fails with errno `value`.");
  m.def("clear_faults", &clear_faults, "For tests only. Removes all faults; how often they struck.");
}

bool has_uring() {
#ifdef RELHOP_URING
  return true;
#else
  return false;
#endif
}

}  // namespace

void bind_io(nb::module_& m) {
  m.def("has_uring", &has_uring, "Whether relhop was built with liburing.");
  nb::class_<DirectFile>(m, "DirectFile", "A file that is read past the page cache, in whole blocks.")
      .def(nb::new_([](const std::string& path) { return std::make_shared<DirectFile>(path); }), "path"_a)
      .def_prop_ro("path", &DirectFile::path)
      .def_prop_ro("size", &DirectFile::size)
      .def_prop_ro("block_size", &DirectFile::block_size)
      .def_prop_ro("is_direct", &DirectFile::is_direct);

  nb::class_<ManyReads>(m, "ManyReads", "Many reads at once, as the device likes them.")
      .def(
          "__init__",
          [](ManyReads* self, const std::string& engine, unsigned depth) {
            new (self) ManyReads(engine_of(engine), depth);
          },
          "engine"_a = "automatic", "depth"_a = 256)
      .def_prop_ro("engine", &ManyReads::engine)
      .def_prop_ro("stats",
                   [](const ManyReads& self) {
                     const ManyReads::Stats& stats = self.stats();
                     return nb::make_tuple(stats.reads, stats.bytes, stats.seconds);
                   })
      .def(
          "read",
          [](ManyReads& self, const std::vector<std::shared_ptr<DirectFile>>& files, const Array<uint32_t>& which,
             const Array<uint64_t>& offsets, const Array<uint64_t>& lengths, int64_t stop_after) {
            const std::vector<ManyReads::Read> reads = wanted(files, which, offsets, lengths);
            Buffer<uint8_t> bytes;
            {
              nb::gil_scoped_release release;
              std::vector<uint64_t> places(1, 0);
              for (const ManyReads::Read& read : reads) places.push_back(places.back() + read.length);
              bytes.resize(places.back());
              self.run(reads, [&](size_t i, const std::byte* arrived) {
                if (stop_after-- == 0) throw std::runtime_error("stopped on purpose");
                std::memcpy(bytes.data() + places[i], arrived, reads[i].length);
              });
            }
            return give(bytes);
          },
          "files"_a, "which"_a, "offsets"_a, "lengths"_a, "stop_after"_a = -1,
          nb::sig("def read(self, files: collections.abc.Sequence[DirectFile], which: NDArray[numpy.uint32], offsets:"
                  " NDArray[numpy.uint64], lengths: NDArray[numpy.uint64], stop_after: int = -1) ->"
                  " NDArray[numpy.uint8]"),
          "The bytes of all reads, one after the other; `which` are numbers of files. Fails after `stop_after` reads "
          "that arrived.")
      .def(
          "drop",
          [](ManyReads& self, const std::vector<std::shared_ptr<DirectFile>>& files, const Array<uint32_t>& which,
             const Array<uint64_t>& offsets, const Array<uint64_t>& lengths) {
            const std::vector<ManyReads::Read> reads = wanted(files, which, offsets, lengths);
            nb::gil_scoped_release release;
            self.run(reads, [](size_t, const std::byte*) {});
          },
          "files"_a, "which"_a, "offsets"_a, "lengths"_a,
          nb::sig("def drop(self, files: collections.abc.Sequence[DirectFile], which: NDArray[numpy.uint32], offsets:"
                  " NDArray[numpy.uint64], lengths: NDArray[numpy.uint64]) -> None"),
          "Reads as `read` does, and keeps nothing.");

  m.def(
      "plan_extents",
      [](const Array<uint64_t>& records, uint64_t record_size, const DirectFile& file, double reads_per_second,
         double bytes_per_second) {
        Buffer<uint64_t> result;
        {
          nb::gil_scoped_release release;
          for (const Extent& extent :
               plan_extents(view(records), record_size, file, {reads_per_second, bytes_per_second}))
            for (const uint64_t value : {extent.offset, extent.length, extent.first, extent.last})
              result.push_back(value);
        }
        return give(result, 4);
      },
      "records"_a, "record_size"_a, "file"_a, "reads_per_second"_a, "bytes_per_second"_a,
      nb::sig("def plan_extents(records: NDArray[numpy.uint64], record_size: int, file: DirectFile,"
              " reads_per_second: float, bytes_per_second: float) -> NDArray[numpy.uint64]"),
      "What to read for ascending, distinct records: offset, length, first record and the one after the last, a row an "
      "extent.");

  m.def(
      "choose_now",
      [](const Array<uint64_t>& records, const Array<uint8_t>& needed, uint64_t record_size, const DirectFile& file,
         double reads_per_second, double bytes_per_second) {
        if (records.size() != needed.size()) throw nb::value_error("records and needed must have the same size");
        Buffer<uint8_t> now(needed.size());
        std::copy_n(needed.data(), needed.size(), now.data());
        choose_now(view(records), {now.data(), now.size()}, record_size, file, {reads_per_second, bytes_per_second});
        return give(now);
      },
      "records"_a, "needed"_a, "record_size"_a, "file"_a, "reads_per_second"_a, "bytes_per_second"_a,
      nb::sig("def choose_now(records: NDArray[numpy.uint64], needed: NDArray[numpy.uint8], record_size: int, file:"
              " DirectFile, reads_per_second: float, bytes_per_second: float) -> NDArray[numpy.uint8]"),
      "Of ascending, distinct records, whether to read each now, where some are needed, or later; see "
      "native/io/two_plans.h.");

  m.def(
      "probe",
      [](const std::string& path, double seconds) {
        ProbedDevice found;
        {
          nb::gil_scoped_release release;
          found = probe(DirectFile(path), seconds);
        }
        return nb::make_tuple(found.reads_per_second, found.bytes_per_second, found.is_measured);
      },
      "path"_a, "seconds"_a, nb::sig("def probe(path: str, seconds: float) -> tuple[float, float, bool]"),
      "Reads of 4 KiB a second, bytes a second in order, and whether they were measured: files of less than 64 MiB are "
      "not.");

  bind_faults(m);
}

}  // namespace relhop
