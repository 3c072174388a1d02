// A pipeline over records of which some are on disk. Threads sample ahead; one reader takes the batches in order, with
// those behind them in view, and reads several at once where they are small.
//
// The reader goes on with the batches that were put: who puts fewer than capacity() ahead gets less of the look-ahead,
// and waits for nothing.
//
// Held in memory: the samples that are looked ahead at, those of the round that is read and of the one behind them all,
// which is sampled meanwhile, and the batches that wait for the consumer, fewer than `depth` and one round. A round is
// one batch, or several small ones (look_ahead.h). So a slow consumer holds the reader back, and the reader the
// samplers.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <span>
#include <thread>
#include <variant>
#include <vector>

#include "loading/look_ahead.h"
#include "loading/pipeline.h"

namespace relhop {

class DiskPipeline final : public Pipeline {
 public:
  // What `wanted` names outlives the pipeline. look_ahead <= kMostAhead: 0 reads each batch as if none followed; none
  // lets it follow the batches.
  DiskPipeline(BatchSampler sampler, std::vector<Wanted> wanted, unsigned num_threads, std::optional<size_t> look_ahead,
               size_t depth);
  ~DiskPipeline() override;

  size_t capacity() override;
  void close() override;

  // What was read since the last call, of each that is wanted.
  std::vector<ReadStats> take_stats();

 private:
  // A sampled batch, in the windows of what is on disk.
  struct Foreseen {
    Batch batch;
    std::vector<Buffer<int64_t>> records;  // as wanted; empty where a row's number is its record's
    std::vector<Request> requests;         // as wanted
    std::exception_ptr failure;            // in their place
  };

  void sample();
  size_t num_to_start();
  std::vector<Made> sampled(std::span<const SeedBatch> seeds);
  void read();
  void enter(Made sampled);
  void foresee();
  std::vector<Foreseen> take_round(size_t most);
  std::vector<Made> read_round(std::vector<Foreseen>& round);
  void fill(std::span<Foreseen> round);
  size_t row_bytes_of(const Foreseen& foreseen) const;
  size_t sample_bytes_of(const Foreseen& foreseen) const;
  size_t can_foresee(const Foreseen& foreseen) const;

  const BatchSampler sampler_;
  const std::vector<Wanted> wanted_;
  const unsigned num_threads_;
  const bool is_looking_ahead_;
  std::atomic<bool> cancelled_ = false;  // for reads on their way

  // The reader's own.
  std::deque<Foreseen> window_;

  // Guarded by the pipeline's mutex.
  LookAhead look_ahead_;
  size_t window_end_ = 0;           // the first batch that the reader does not wait for
  size_t allowed_ = 0;              // may be begun to sample
  size_t group_ = 1;                // are sampled best together
  std::map<size_t, Made> samples_;  // without features
  std::vector<ReadStats> stats_;
  std::vector<std::jthread> threads_;
};

}  // namespace relhop
