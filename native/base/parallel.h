// A few threads for a short while.
#pragma once

#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

namespace relhop {

// Runs work(0), ..., work(count - 1), a thread each; rethrows the first failure.
template <class Work>
void in_parallel(size_t count, Work work) {
  std::vector<std::exception_ptr> failures(count);
  auto guarded = [&](size_t i) {
    try {
      work(i);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < count; ++i) threads.emplace_back(guarded, i);
    guarded(0);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace relhop
