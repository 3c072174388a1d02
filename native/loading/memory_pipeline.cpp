#include "loading/memory_pipeline.h"

namespace relhop {

MemoryPipeline::MemoryPipeline(Make make, size_t num_batches, unsigned num_threads, size_t depth)
    : make_(std::move(make)), num_batches_(num_batches), depth_(depth) {
  for (unsigned i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
}

MemoryPipeline::~MemoryPipeline() { close(); }

void MemoryPipeline::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wanted_.wait(lock, [&] { return closed_ || started_ == num_batches_ || started_ < delivered_ + depth_; });
    if (closed_ || started_ == num_batches_) return;
    const size_t index = started_++;
    lock.unlock();
    std::variant<Batch, std::exception_ptr> result;
    try {
      result = make_(index);
    } catch (...) {
      result = std::current_exception();
    }
    lock.lock();
    ready_.emplace(index, std::move(result));
    made_.notify_all();
  }
}

std::variant<Batch, std::monostate, MemoryPipeline::Wait> MemoryPipeline::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (closed_ || delivered_ == num_batches_) return std::monostate{};
  if (!made_.wait_for(lock, timeout, [&] { return ready_.contains(delivered_); })) return Wait::timeout;
  auto result = std::move(ready_.extract(delivered_).mapped());
  ++delivered_;
  if (auto* failure = std::get_if<std::exception_ptr>(&result)) {
    closed_ = true;
    wanted_.notify_all();
    std::rethrow_exception(*failure);
  }
  wanted_.notify_all();
  return std::move(std::get<Batch>(result));
}

size_t MemoryPipeline::num_started() {
  const std::lock_guard lock(mutex_);
  return started_;
}

void MemoryPipeline::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    ready_.clear();
  }
  wanted_.notify_all();
  threads_.clear();
}

}  // namespace relhop
