// A few threads for a short while.
#pragma once

#include <algorithm>
#include <barrier>
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

// Two phases of the same threads: first(i) of all, then between() once, then second(i) of all. Rethrows the first
// failure; what comes after a phase that failed is not run.
template <class First, class Between, class Second>
void in_parallel(size_t count, First first, Between between, Second second) {
  std::vector<std::exception_ptr> failures(count + 1);
  const auto guarded = [&](size_t i, auto work) noexcept {
    try {
      work();
    } catch (...) {
      failures[i] = std::current_exception();
    }
  };
  const auto failure = [&] {
    return std::find_if(failures.begin(), failures.end(), [](auto& f) { return f != nullptr; });
  };
  bool is_sound = false;
  const auto go_on = [&]() noexcept {
    if (failure() == failures.end()) guarded(count, between);
    is_sound = failure() == failures.end();
  };
  std::barrier phase(static_cast<std::ptrdiff_t>(count), go_on);
  const auto work = [&](size_t i) {
    guarded(i, [&] { first(i); });
    phase.arrive_and_wait();
    if (is_sound) guarded(i, [&] { second(i); });
  };
  {
    std::vector<std::jthread> threads;
    guarded(0, [&] {
      for (size_t i = 1; i < count; ++i) threads.emplace_back(work, i);
    });
    // Of threads that could not be started, nobody is to wait for.
    for (size_t i = threads.size() + 1; i < count; ++i) phase.arrive_and_drop();
    if (failures[0])
      phase.arrive_and_drop();
    else
      work(0);
  }
  if (const auto found = failure(); found != failures.end()) std::rethrow_exception(*found);
}

}  // namespace relhop
