// What the module shares with native threads: a graph and the features of tables, with the arrays that they look at.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/paging.h"
#include "rows/features.h"
#include "sampling/sampler.h"

namespace relhop {

// A topology with its sampler, and the arrays that it looks at.
struct SharedTopology {
  std::vector<std::optional<SharedTimes>> times;
  std::vector<SharedRows> rows;
  std::vector<Array<double>> weights;
  std::vector<std::shared_ptr<SharedPool>> pools;
  std::unique_ptr<const Topology> topology;
  std::unique_ptr<const Sampler> sampler;
};

// Arrays in memory or on disk.
using AnyRows = std::variant<SharedRows, SharedPaged>;

using Records = nb::ndarray<const uint8_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

struct SharedFeatures {
  std::optional<Records> records;  // in memory; none of a table on disk
  std::optional<SharedTimes> time;
  std::optional<SharedRows> order, slots;                        // in memory
  std::shared_ptr<const Elements> order_on_disk, slots_on_disk;  // in their place
  FeatureTable table;
};

nb::dict give_sample(Sample& sample, const SampleOptions& options);
nb::dict give_features(FeatureRows& rows, const FeatureTable& table);
nb::dict give_stats(const ReadStats& stats);

}  // namespace relhop
