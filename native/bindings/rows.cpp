// Features of rows, and records on disk.
#include <nanobind/stl/variant.h>

#include "bindings/modules.h"
#include "bindings/shared.h"

namespace relhop {

namespace {

// Counts of timestamps, numbers and codes; none of raw records.
using NumFields = std::optional<std::vector<size_t>>;

RecordLayout layout_of(size_t record_size, const NumFields& num_fields, const Numbers* numbers) {
  if (!num_fields) return {record_size, 0, 0, 0, {}, true};
  if (num_fields->size() != 3) throw nb::value_error("num_fields: timestamps, numerical, categorical");
  const std::vector<size_t>& fields = *num_fields;
  return {record_size, fields[0], fields[1], fields[2], numbers != nullptr ? *numbers : Numbers(), false};
}

RowNumbers hold(const std::optional<AnyRows>& from, std::optional<SharedRows>& in_memory,
                std::shared_ptr<const Elements>& on_disk) {
  if (!from) return {};
  if (const auto* const paged = std::get_if<SharedPaged>(&*from)) {
    on_disk = std::make_shared<PagedElements>(*paged);
    return {paged->rows.shape(), on_disk.get()};
  }
  in_memory = std::get<SharedRows>(*from);
  return {in_memory->rows, nullptr};
}

std::shared_ptr<SharedFeatures> make_features(std::string name,
                                              std::variant<std::shared_ptr<DiskRecords>, Records> records,
                                              const NumFields& num_fields, std::optional<SharedTimes> time,
                                              const std::optional<AnyRows>& order, const Numbers* numbers,
                                              const std::optional<AnyRows>& slots) {
  auto shared = std::make_shared<SharedFeatures>(SharedFeatures{{}, time, {}, {}, {}, {}, {}});
  FeatureTable& table = shared->table;
  table.name = std::move(name);
  if (auto* in_memory = std::get_if<Records>(&records)) {
    shared->records = *in_memory;
    table.records = {reinterpret_cast<const std::byte*>(in_memory->data()), in_memory->size()};
    table.num_rows = in_memory->shape(0);
    table.layout = layout_of(in_memory->shape(1), num_fields, numbers);
  } else {
    table.disk = std::get<std::shared_ptr<DiskRecords>>(records);
    table.num_rows = table.disk->num_records();
    table.layout = table.disk->layout();
  }
  table.timed = time.has_value();
  if (time) table.time = time->times;
  table.order = hold(order, shared->order, shared->order_on_disk);
  table.slots = hold(slots, shared->slots, shared->slots_on_disk);
  table.check();
  return shared;
}

std::shared_ptr<DiskRecords> make_disk_records(std::string table, const std::string& path, size_t record_size,
                                               const NumFields& num_fields, uint64_t num_records, uint64_t pool_bytes,
                                               double reads_per_second, double bytes_per_second,
                                               const std::string& engine, bool reads_ahead, const Numbers* numbers,
                                               std::optional<SharedRows> slots,
                                               std::optional<Array<uint32_t>> checksums) {
  DiskRecords::Settings settings{pool_bytes, {reads_per_second, bytes_per_second}, {}, reads_ahead, {}, {}};
  if (checksums) settings.checksums = view(*checksums);
  if (slots) settings.slots = slots->rows;
  if (engine == "io_uring")
    settings.engine = ManyReads::Engine::io_uring;
  else if (engine == "pread")
    settings.engine = ManyReads::Engine::pread;
  else if (engine != "automatic")
    throw nb::value_error("engine: automatic, io_uring or pread");
  struct Owner {
    std::optional<SharedRows> slots;
    std::optional<Array<uint32_t>> checksums;
    DiskRecords disk;
  };
  const auto owner = std::shared_ptr<Owner>(new Owner{
      slots, checksums, {std::move(table), path, layout_of(record_size, num_fields, numbers), num_records, settings}});
  return {owner, &owner->disk};
}

// A batch's records, kept while a window knows them.
struct PyRequest {
  Array<int64_t> records;
  Request request;

  void check(const DiskRecords& disk) const {
    for (int64_t record : view(records))
      if (static_cast<uint64_t>(record) >= disk.num_records()) throw nb::index_error("no such record");
  }
};

nb::list read_batches(DiskRecords& disk, const std::vector<PyRequest*>& batches, unsigned num_threads) {
  std::vector<FeatureRows> rows(batches.size());
  std::vector<Request*> requests;
  std::vector<FeatureRows*> out;
  for (size_t i = 0; i < batches.size(); ++i) {
    batches[i]->check(disk);
    disk.layout().make_room(batches[i]->records.size(), rows[i]);
    requests.push_back(&batches[i]->request);
    out.push_back(&rows[i]);
  }
  {
    nb::gil_scoped_release release;
    disk.read(requests, out, num_threads);
  }
  FeatureTable table;
  table.layout = disk.layout();
  nb::list result;
  for (FeatureRows& of_batch : rows) result.append(give_features(of_batch, table));
  return result;
}

}  // namespace

nb::dict give_features(FeatureRows& rows, const FeatureTable& table) {
  nb::dict result;
  if (table.layout.is_raw) {
    result["raw"] = give_raw(rows.raw, rows.count);
    return result;
  }
  result["timestamps"] = give_columns(rows.timestamps, table.layout.num_timestamps);
  result["numerical"] = give_columns(rows.numerical, table.layout.num_numerical);
  result["categorical"] = give_columns(rows.categorical, table.layout.num_categorical);
  result["time"] = table.timed ? give(rows.time) : nb::none();
  result["position"] = give(rows.position);
  return result;
}

nb::dict give_stats(const ReadStats& stats) {
  nb::dict result;
  result["rows"] = stats.rows;
  result["records"] = stats.records;
  result["along"] = stats.along;
  result["evictions"] = stats.evictions;
  result["reads"] = stats.reads;
  result["bytes"] = stats.bytes;
  result["seconds"] = stats.seconds;
  return result;
}

void bind_rows(nb::module_& m) {
  nb::class_<PyRequest>(m, "Request")
      .def(
          "__init__",
          [](PyRequest* self, Array<int64_t> records) { new (self) PyRequest{records, {view(records), {}, {}}}; },
          "records"_a);

  nb::class_<DiskRecords>(m, "DiskRecords")
      .def(nb::new_(&make_disk_records), "table"_a, "path"_a, "record_size"_a, "num_fields"_a.none(), "num_records"_a,
           nb::kw_only(), "pool_bytes"_a, "reads_per_second"_a, "bytes_per_second"_a, "engine"_a = "automatic",
           "reads_ahead"_a = true, "numbers"_a.none() = nb::none(), "slots"_a = nb::none(), "checksums"_a = nb::none())
      .def_prop_ro("engine", &DiskRecords::engine, "What reads: io_uring or pread.")
      .def_prop_ro("is_direct", &DiskRecords::is_direct, "Whether reads go past the page cache.")
      .def_prop_ro("num_slots", &DiskRecords::num_slots, "Records that the pool holds.")
      .def(
          "stats", [](const DiskRecords& disk) { return give_stats(disk.stats()); },
          nb::sig("def stats(self) -> dict[str, float]"), "What was read so far; see native/rows/disk_records.h.")
      .def(
          "enter",
          [](DiskRecords& disk, PyRequest& batch) {
            batch.check(disk);
            return disk.enter(batch.request);
          },
          "batch"_a, nb::call_guard<nb::gil_scoped_release>(),
          "Puts a batch at the window's end; whether there was room for it.")
      .def(
          "leave", [](DiskRecords& disk, PyRequest& batch) { disk.leave(batch.request); }, "batch"_a,
          nb::call_guard<nb::gil_scoped_release>(), "Takes a batch out of the window, unread.")
      .def("read", &read_batches, "batches"_a, "num_threads"_a = 1,
           nb::sig("def read(self, batches: Sequence[Request], num_threads: int = 1) -> list[dict[str, typing.Any]]"),
           "Reads batches at once; what gather() of a FeatureTable gives of each, without times and positions.");

  nb::class_<SharedFeatures>(m, "FeatureTable")
      .def(nb::new_(&make_features), "name"_a, "records"_a, "num_fields"_a.none(), "time"_a.none(), "order"_a.none(),
           "numbers"_a.none() = nb::none(), "slots"_a = nb::none())
      .def(
          "gather",
          [](const SharedFeatures& features, Array<int64_t> rows, unsigned num_threads) {
            FeatureRows result;
            {
              nb::gil_scoped_release release;
              result = features.table.gather(view(rows), num_threads);
            }
            return give_features(result, features.table);
          },
          "rows"_a, "num_threads"_a = 1,
          nb::sig("def gather(self, rows: NDArray[numpy.int64], num_threads: int = 1) -> dict[str, typing.Any]"),
          "The columns of some rows by kind; see relhop.features.RowFeatures. Of raw records, which have no "
          "`num_fields`, "
          "their bytes: {'raw': uint8 [N, record_size]}.");
}

}  // namespace relhop
