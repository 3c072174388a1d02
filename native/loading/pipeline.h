// A queue of seeds, whose batches native threads make ahead of their consumer and hand over in order.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <span>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "rows/features.h"
#include "rows/held_rows.h"
#include "sampling/sampler.h"

namespace relhop {

// The seeds of one batch.
struct SeedBatch {
  Buffer<uint32_t> tables;
  Buffer<int64_t> rows, times;
};

// Features that a batch brings: of its nodes of a table, or of its edges of a type, by their ids.
struct Wanted {
  const FeatureTable* features;
  bool is_edge;
  uint32_t number;                 // of the table or edge type
  const HeldRows* held = nullptr;  // what the consumer has of them
};

struct Batch {
  Sample sample;
  std::vector<HeldSplit> splits;      // as they are wanted; empty where nothing is held
  std::vector<FeatureRows> features;  // as they are wanted, of the rows that are not held

  // What was sampled, checked; without features.
  Batch() = default;
  Batch(Sample sample, std::span<const Wanted> wanted);
  // Those of wanted[w] to gather.
  std::span<const int64_t> rows(std::span<const Wanted> wanted, size_t w) const;
};

// How the seeds of batches are sampled; by several threads at once. What it names outlives it.
struct BatchSampler {
  const Sampler* sampler;
  const SampleOptions* options;

  std::vector<Sample> sample(std::span<const SeedBatch> batches) const;
  // How many batches like this one are sampled best together.
  size_t together(const SeedBatch& batch) const { return sampler->together(*options, batch.rows.size()); }
};

// Adds the time for which it lives to a sum of nanoseconds.
class Timed {
 public:
  explicit Timed(std::atomic<int64_t>& sum) : sum_(sum), began_(Clock::now()) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  ~Timed() { sum_ += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  std::atomic<int64_t>& sum_;
  const Clock::time_point began_;
};

// Seconds of all threads together.
struct Effort {
  double sampling, gathering;
};

// What the two kinds of pipeline share: seeds in, batches out. put(), finish() and next() may be called by different
// threads, each by one.
class Pipeline {
 public:
  enum class Wait { timeout };

  // At most `depth` batches are made that the consumer has not asked for.
  explicit Pipeline(size_t depth) : depth_(depth) {}
  virtual ~Pipeline() = default;

  // One more batch. Of a pipeline at its end, nothing follows of it.
  void put(SeedBatch seeds);
  // Says that no batch follows. Throws nothing, however often it is said.
  void finish();
  // The next batch in order; nothing after the last one. What went wrong with a batch is thrown in its place, and the
  // pipeline is then at its end. Throws std::logic_error where no batch was put that it could wait for.
  std::variant<Batch, std::monostate, Wait> next(std::chrono::milliseconds timeout);
  // How many batches were begun so far.
  size_t num_started();
  // What was done since the last call.
  Effort take_effort();
  // So many batches, put and not yet delivered, keep all threads busy.
  virtual size_t capacity() = 0;
  // Stops the threads and waits for each to finish what it is at.
  virtual void close() = 0;

 protected:
  using Made = std::variant<Batch, std::exception_ptr>;

  // Takes the seeds of the next batch to begin, while `mutex_` is held; there are such.
  SeedBatch start();

  const size_t depth_;
  std::atomic<int64_t> sampling_ = 0, gathering_ = 0;  // nanoseconds
  std::mutex mutex_;                                   // guards all below
  std::condition_variable changed_, made_;             // for the threads, for the consumer
  std::deque<SeedBatch> queue_;                        // not begun
  size_t put_ = 0, started_ = 0, delivered_ = 0;
  size_t end_ = std::numeric_limits<size_t>::max();  // batches that there will be, once that is known
  bool is_closed_ = false;
  std::map<size_t, Made> ready_;
};

}  // namespace relhop
