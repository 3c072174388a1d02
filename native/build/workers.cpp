#include "build/workers.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

namespace relhop {

void Workers::run(const std::function<void(unsigned)>& work) {
  unsigned running = num_threads_;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < num_threads_; ++i) {
    threads.emplace_back([&, i] {
      try {
        work(i);
      } catch (const Stop&) {
      } catch (...) {
        fail(std::current_exception());
      }
      const std::lock_guard lock(mutex_);
      if (--running == 0) finished_.notify_one();
    });
  }
  std::unique_lock lock(mutex_);
  while (!finished_.wait_for(lock, std::chrono::milliseconds(100), [&] { return running == 0; })) {
    lock.unlock();
    try {
      if (!stopped_) report_(static_cast<double>(done_) / static_cast<double>(std::max<uint64_t>(total_, 1)));
    } catch (...) {
      fail(std::current_exception());
    }
    lock.lock();
  }
  if (error_) std::rethrow_exception(error_);
}

void Workers::advance(uint64_t amount) {
  if (stopped_) throw Stop();
  done_ += amount;
}

void Workers::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  stopped_ = true;
}

}  // namespace relhop
