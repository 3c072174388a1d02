#include "io/pread_pool.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace relhop {
namespace {

constexpr size_t kMostThreads = 32;

}  // namespace

PreadPool::PreadPool(unsigned depth) {
  added_.reserve(depth);
  done_.reserve(depth);
  threads_.reserve(kMostThreads);
}

PreadPool::~PreadPool() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void PreadPool::start_threads() {
  while (threads_.size() < std::min(on_the_way_, kMostThreads)) try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) throw;
      return;  // the system has no more: those that there are do it all
    }
}

size_t PreadPool::wait(size_t least, std::span<Done> done) {
  on_the_way_ += added_.size();
  start_threads();
  std::unique_lock lock(mutex_);
  waiting_.insert(waiting_.end(), added_.begin(), added_.end());
  for (size_t woken = std::min(added_.size(), idle_); woken > 0; --woken) has_work_.notify_one();
  added_.clear();
  if (done_.size() < least) {
    wanted_ = least;
    has_done_.wait(lock, [this] { return wanted_ == 0; });
  }
  const size_t count = std::min(done.size(), done_.size());
  std::copy_n(done_.end() - static_cast<ptrdiff_t>(count), count, done.begin());
  done_.resize(done_.size() - count);
  on_the_way_ -= count;
  return count;
}

void PreadPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    has_work_.wait(lock, [this] { return is_closing_ || !waiting_.empty(); });
    --idle_;
    if (is_closing_) return;
    const Request request = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    const ssize_t got =
        ::pread(request.file->descriptor(), request.bytes, request.length, static_cast<off_t>(request.offset));
    const Done done{request.token, static_cast<int32_t>(got < 0 ? -errno : got)};
    lock.lock();
    done_.push_back(done);
    if (wanted_ != 0 && done_.size() >= wanted_) {
      wanted_ = 0;
      has_done_.notify_one();
    }
  }
}

}  // namespace relhop
