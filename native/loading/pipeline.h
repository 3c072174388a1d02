// Batches made ahead of their consumer: native threads sample and gather, each a batch at a time, and hand them over in
// order. At most `depth` batches are ahead, so memory is bounded and a slow consumer holds the threads back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
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
  // Makes batch i, for i in [0, num_batches); called by several threads at once.
  using Make = std::function<Batch(size_t)>;

  Pipeline(Make make, size_t num_batches, unsigned num_threads, size_t depth);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  enum class Wait { timeout };
  // The next batch in order; nothing after the last one. What `make` threw is thrown again at its batch, and the
  // pipeline is then at its end. One consumer only.
  std::variant<Batch, std::monostate, Wait> next(std::chrono::milliseconds timeout);
  // How many batches were begun so far: never more than `depth` beyond those that next() returned.
  size_t num_started();
  // Stops the threads and waits for each to finish the batch that it is at.
  void close();

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
