#include "loading/memory_pipeline.h"

#include <utility>

namespace relhop {

MemoryPipeline::MemoryPipeline(BatchSampler sampler, std::vector<Wanted> wanted, unsigned num_threads, size_t depth)
    : Pipeline(depth), sampler_(sampler), wanted_(std::move(wanted)) {
  for (unsigned i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
}

MemoryPipeline::~MemoryPipeline() { close(); }

void MemoryPipeline::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(
        lock, [&] { return is_closed_ || started_ >= end_ || (!queue_.empty() && started_ < delivered_ + depth_); });
    if (is_closed_ || started_ >= end_) return;
    const size_t index = started_;
    const SeedBatch seeds = start();
    lock.unlock();
    Made result;
    try {
      result = make(seeds);
    } catch (...) {
      result = std::current_exception();
    }
    lock.lock();
    ready_.emplace(index, std::move(result));
    made_.notify_all();
  }
}

Batch MemoryPipeline::make(const SeedBatch& seeds) {
  Batch batch;
  {
    const Timed timed(sampling_);
    batch = Batch(std::move(sampler_.sample({&seeds, 1}).front()), wanted_);
  }
  const Timed timed(gathering_);
  for (size_t w = 0; w < wanted_.size(); ++w)
    batch.features.push_back(wanted_[w].features->gather_checked(batch.rows(wanted_, w)));
  return batch;
}

void MemoryPipeline::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  changed_.notify_all();
  made_.notify_all();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  ready_.clear();
  queue_.clear();
}

}  // namespace relhop
