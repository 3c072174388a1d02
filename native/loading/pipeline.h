// Batches made ahead of their consumer by native threads, and handed over in order.
#pragma once

#include <chrono>
#include <variant>
#include <vector>

#include "rows/features.h"
#include "sampling/sampler.h"

namespace relhop {

struct Batch {
  Sample sample;
  std::vector<FeatureRows> features;  // by table
};

class Pipeline {
 public:
  enum class Wait { timeout };

  virtual ~Pipeline() = default;
  // The next batch in order; nothing after the last one. What went wrong with a batch is thrown in its place, and the
  // pipeline is then at its end. One consumer only.
  virtual std::variant<Batch, std::monostate, Wait> next(std::chrono::milliseconds timeout) = 0;
  // How many batches were begun so far.
  virtual size_t num_started() = 0;
  // Stops the threads and waits for each to finish what it is at.
  virtual void close() = 0;
};

}  // namespace relhop
