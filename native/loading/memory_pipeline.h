// A pipeline over records in memory: threads sample and gather, each a batch at a time. At most `depth` batches are
// ahead of the consumer, so memory is bounded and a slow consumer holds the threads back.
#pragma once

#include <thread>
#include <vector>

#include "loading/pipeline.h"

namespace relhop {

class MemoryPipeline final : public Pipeline {
 public:
  // What `wanted` names outlives the pipeline.
  MemoryPipeline(BatchSampler sampler, std::vector<Wanted> wanted, unsigned num_threads, size_t depth);
  ~MemoryPipeline() override;

  size_t capacity() override { return depth_; }
  void close() override;

 private:
  void work();
  Batch make(const SeedBatch& seeds);

  const BatchSampler sampler_;
  const std::vector<Wanted> wanted_;
  std::vector<std::jthread> threads_;
};

}  // namespace relhop
