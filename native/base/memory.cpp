#include "base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace relhop {

namespace {

constexpr size_t kHeader = 64;  // in front of each piece; keeps what follows aligned
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSmallest = 8;  // pieces are powers of two, from 2^8 bytes on
constexpr size_t kKept = size_t{1} << 30;

struct Header {
  size_t bytes;  // of the whole piece
};

// Pieces that were given back, by the logarithm of their size. Leaked at exit: arrays may outlive static objects.
struct Pool {
  std::mutex mutex;
  std::array<std::vector<void*>, 64> free;
  size_t kept = 0;
};

Pool& pool() {
  static Pool* const shared = new Pool;
  return *shared;
}

void* allocate(size_t bytes) {
  void* piece = std::aligned_alloc(bytes < kHugePage ? kHeader : kHugePage, bytes);
  if (piece == nullptr) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(piece, bytes, MADV_HUGEPAGE);  // a wish: small pages are correct, too
  return piece;
}

}  // namespace

void* take_memory(size_t bytes) {
  if (bytes > SIZE_MAX / 4) throw std::bad_alloc();
  const auto size_class = std::max<size_t>(kSmallest, static_cast<size_t>(std::bit_width(bytes + kHeader - 1)));
  const size_t whole = size_t{1} << size_class;
  void* piece = nullptr;
  {
    const std::lock_guard lock(pool().mutex);
    std::vector<void*>& free = pool().free[size_class];
    if (!free.empty()) {
      piece = free.back();
      free.pop_back();
      pool().kept -= whole;
    }
  }
  if (piece == nullptr) piece = allocate(whole);
  new (piece) Header{whole};
  return static_cast<std::byte*>(piece) + kHeader;
}

size_t memory_size(const void* memory) {
  const std::byte* piece = static_cast<const std::byte*>(memory) - kHeader;
  return reinterpret_cast<const Header*>(piece)->bytes - kHeader;
}

void return_memory(void* memory) noexcept {
  if (memory == nullptr) return;
  std::byte* piece = static_cast<std::byte*>(memory) - kHeader;
  const size_t whole = reinterpret_cast<Header*>(piece)->bytes;
  try {
    const std::lock_guard lock(pool().mutex);
    if (pool().kept + whole <= kKept) {
      pool().free[static_cast<size_t>(std::bit_width(whole)) - 1].push_back(piece);
      pool().kept += whole;
      return;
    }
  } catch (...) {  // no room to note it: free it
  }
  std::free(piece);
}

}  // namespace relhop
