// Features of rows.
#include "bindings/modules.h"
#include "bindings/shared.h"

namespace relhop {

nb::dict give_features(FeatureRows& rows, const FeatureTable& table) {
  nb::dict result;
  result["timestamps"] = give_columns(rows.timestamps, table.layout.num_timestamps);
  result["numerical"] = give_columns(rows.numerical, table.layout.num_numerical);
  result["categorical"] = give_columns(rows.categorical, table.layout.num_categorical);
  result["time"] = table.timed ? give(rows.time) : nb::none();
  result["position"] = give(rows.position);
  return result;
}

void bind_rows(nb::module_& m) {
  nb::class_<SharedFeatures>(m, "FeatureTable")
      .def(nb::new_([](std::string name,
                       nb::ndarray<const uint8_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu> records,
                       std::vector<size_t> num_fields, std::optional<SharedTimes> time, std::optional<SharedRows> order,
                       NumberKind numbers, std::vector<float> scales, std::vector<float> zeros,
                       std::optional<SharedRows> slots) {
             if (num_fields.size() != 3) throw nb::value_error("num_fields: timestamps, numerical, categorical");
             auto shared = std::make_shared<SharedFeatures>(SharedFeatures{records, time, order, slots, {}});
             FeatureTable& table = shared->table;
             table.name = std::move(name);
             table.records = {reinterpret_cast<const std::byte*>(records.data()), records.size()};
             table.num_rows = records.shape(0);
             table.layout.size = records.shape(1);
             table.layout.num_timestamps = num_fields[0];
             table.layout.num_numerical = num_fields[1];
             table.layout.num_categorical = num_fields[2];
             table.timed = time.has_value();
             if (time) table.time = time->times;
             if (order) table.order = order->rows;
             table.layout.numbers = numbers;
             table.layout.decode_numbers = decoder_of(numbers);
             table.layout.scales = std::move(scales);
             table.layout.zeros = std::move(zeros);
             if (slots) table.slots = slots->rows;
             table.check();
             return shared;
           }),
           "name"_a, "records"_a, "num_fields"_a, "time"_a.none(), "order"_a.none(), "numbers"_a = NumberKind::float32,
           "scales"_a = std::vector<float>(), "zeros"_a = std::vector<float>(), "slots"_a = nb::none())
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
}

}  // namespace relhop
