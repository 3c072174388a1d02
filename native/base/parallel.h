// A few threads for a short while.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <latch>
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

// Runs work(0), ..., work(count - 1), a thread each; then, when all are done, between(), and then finish(0), ...,
// finish(count - 1) on the same threads: starting them costs more than a small batch. After a failure no later step
// begins; rethrows the first failure.
template <class Work, class Between, class Finish>
void in_parallel(size_t count, Work work, Between between, Finish finish) {
  std::vector<std::exception_ptr> failures(count);
  auto guarded = [&](size_t i, auto step) {
    try {
      step();
    } catch (...) {
      failures[i] = std::current_exception();
    }
  };
  std::latch worked(static_cast<std::ptrdiff_t>(count)), decided(1);
  bool goes_on = false;
  {
    std::vector<std::jthread> threads;
    try {
      for (size_t i = 1; i < count; ++i)
        threads.emplace_back([&, i] {
          guarded(i, [&] { work(i); });
          worked.count_down();
          decided.wait();
          if (goes_on) guarded(i, [&] { finish(i); });
        });
    } catch (...) {
      decided.count_down();
      throw;
    }
    guarded(0, [&] { work(0); });
    worked.arrive_and_wait();
    goes_on = std::none_of(failures.begin(), failures.end(), [](const auto& failure) { return failure != nullptr; });
    if (goes_on) guarded(0, between);
    goes_on = goes_on && failures[0] == nullptr;
    decided.count_down();
    if (goes_on) guarded(0, [&] { finish(0); });
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace relhop
