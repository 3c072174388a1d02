// A pipeline over records in memory: threads sample and gather, each a batch at a time. At most `depth` batches are
// ahead of the consumer, so memory is bounded and a slow consumer holds the threads back.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "loading/pipeline.h"

namespace relhop {

class MemoryPipeline final : public Pipeline {
 public:
  // Makes batch i, for i in [0, num_batches); called by several threads at once.
  using Make = std::function<Batch(size_t)>;

  MemoryPipeline(Make make, size_t num_batches, unsigned num_threads, size_t depth);
  ~MemoryPipeline() override;

  std::variant<Batch, std::monostate, Wait> next(std::chrono::milliseconds timeout) override;
  // Never more than `depth` beyond those that next() returned.
  size_t num_started() override;
  void close() override;

 private:
  void work();

  const Make make_;
  const size_t num_batches_, depth_;
  std::mutex mutex_;
  std::condition_variable made_, wanted_;
  size_t started_ = 0, delivered_ = 0;
  bool closed_ = false;
  std::map<size_t, std::variant<Batch, std::exception_ptr>> ready_;
  std::vector<std::jthread> threads_;
};

}  // namespace relhop
