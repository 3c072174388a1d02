// Threads that share one long task. The calling thread reports how far they are, and the first exception, theirs or
// the report's, stops all of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>

namespace relhop {

class Workers {
 public:
  // `report` gets the fraction of `total` that is done, some ten times a second, on the thread that calls run().
  Workers(unsigned num_threads, uint64_t total, std::function<void(double)> report)
      : num_threads_(num_threads), total_(total), report_(std::move(report)) {}

  unsigned num_threads() const { return num_threads_; }
  // Calls work(i) for i in [0, num_threads), each in a thread of its own, and waits; throws what was thrown first.
  void run(const std::function<void(unsigned)>& work);
  // Work says now and then how much more is done; does not return when there is a reason to stop.
  void advance(uint64_t amount);

 private:
  struct Stop {};
  void fail(std::exception_ptr error);

  const unsigned num_threads_;
  const uint64_t total_;
  const std::function<void(double)> report_;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::exception_ptr error_;
};

}  // namespace relhop
