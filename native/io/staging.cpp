#include "io/staging.h"

#include <sys/mman.h>

#include <new>

namespace relhop {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

Staging::Staging(size_t bytes) : size_((bytes + kHugePage - 1) / kHugePage * kHugePage), taken_(size_ / kPage) {
  void* memory = mmap(nullptr, size_ + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* const begin = static_cast<std::byte*>(memory);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before != 0) munmap(begin, before);
  memory_ = begin + before;
  munmap(memory_ + size_, kHugePage - before);
  madvise(memory_, size_, MADV_HUGEPAGE);  // a wish: small pages are correct, too
  madvise(memory_, size_, MADV_DONTFORK);
}

Staging::~Staging() { munmap(memory_, size_); }

Staging::Piece Staging::take(size_t bytes) {
  const size_t whole = (bytes + kPage - 1) / kPage * kPage;
  uint64_t begin = head_;
  if (begin % size_ + whole > size_) begin += size_ - begin % size_;
  if (begin + whole - tail_ > size_) return {nullptr, 0};
  head_ = begin + whole;
  taken_[next_ % taken_.size()] = {head_, false};
  return {memory_ + begin % size_, next_++};
}

void Staging::give_back(uint64_t number) {
  taken_[number % taken_.size()].is_back = true;
  while (oldest_ != next_ && taken_[oldest_ % taken_.size()].is_back) tail_ = taken_[oldest_++ % taken_.size()].end;
  if (oldest_ == next_) head_ = tail_ = 0;
}

void Staging::give_back_all() {
  oldest_ = next_;
  head_ = tail_ = 0;
}

}  // namespace relhop
