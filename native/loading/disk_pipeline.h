// A pipeline over records of which some are on disk. Threads sample ahead; one reader takes the batches in order, with
// those behind them in view, and reads several at once where they are small.
//
// Held in memory: `look_ahead` samples, those of the round that is read, and the batches that wait for the consumer,
// fewer than `depth` and one round. A round is one batch, or several of kRound bytes in all. So a slow consumer holds
// the reader back, and the reader the samplers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <variant>
#include <vector>

#include "loading/pipeline.h"

namespace relhop {

// Batches whose samples are held in memory.
inline constexpr size_t kMostAhead = 1024;

class DiskPipeline final : public Pipeline {
 public:
  // Samples batch i, for i in [0, num_batches); called by several threads at once.
  using MakeSample = std::function<Sample(size_t)>;

  // `tables` outlive the pipeline. look_ahead <= kMostAhead; 0 reads each batch as if none followed.
  DiskPipeline(MakeSample sample, std::vector<const FeatureTable*> tables, size_t num_batches, unsigned num_threads,
               size_t look_ahead, size_t depth);
  ~DiskPipeline() override;

  std::variant<Batch, std::monostate, Wait> next(std::chrono::milliseconds timeout) override;
  size_t num_started() override;
  void close() override;

  // What was read since the last call, by table.
  std::vector<ReadStats> take_stats();

 private:
  // A sampled batch, in the windows of the tables on disk.
  struct Foreseen {
    Batch batch;
    std::vector<Buffer<int64_t>> records;  // by table; empty where a row's number is its record's
    std::vector<Request> requests;         // by table
    std::exception_ptr failure;            // in their place
  };
  using Sampled = std::variant<Sample, std::exception_ptr>;
  using Made = std::variant<Batch, std::exception_ptr>;

  void sample();
  void read();
  void enter(Sampled sampled);
  void foresee();
  std::vector<Foreseen> take_round();
  std::vector<Made> read_round(std::vector<Foreseen>& round);
  void fill(std::span<Foreseen> round);
  size_t bytes_of(const Foreseen& foreseen) const;

  const MakeSample sample_;
  const std::vector<const FeatureTable*> tables_;
  const unsigned num_threads_;
  const size_t look_ahead_, depth_;
  std::atomic<bool> closed_ = false;

  // The reader's own.
  std::deque<Foreseen> window_;
  size_t most_together_ = 1;  // batches of a round, by the size of those that were seen last

  std::mutex mutex_;  // guards all below
  std::condition_variable made_, wanted_, sampled_;
  size_t end_;          // batches that there will be; fewer once one failed
  size_t started_ = 0;  // begun to sample
  size_t allowed_ = 0;  // may be begun
  size_t delivered_ = 0;
  std::map<size_t, Sampled> samples_;
  std::map<size_t, Made> ready_;
  std::vector<ReadStats> stats_;
  std::vector<std::jthread> threads_;
};

}  // namespace relhop
