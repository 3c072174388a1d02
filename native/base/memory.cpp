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
constexpr size_t kSmallest = 256;
constexpr size_t kKept = size_t{1} << 30;

struct Header {
  size_t bytes;  // of the whole piece
};

// Pieces are powers of two, and, where quarters of one are huge pages, these quarters more: so that a batch's arrays
// take little more than they need of what is kept.
size_t piece_size(size_t bytes) {
  const size_t power = std::bit_ceil(std::max(bytes, kSmallest)), quarter = power / 8;
  return quarter < kHugePage ? power : (bytes + quarter - 1) / quarter * quarter;
}

// One number for each size of a piece.
size_t class_of(size_t whole) {
  const auto log = static_cast<size_t>(std::bit_width(whole)) - 1;
  return 4 * log + (whole >> (log - 2) & 3);
}

// Pieces that were given back, by their class. Leaked at exit: arrays may outlive static objects.
struct Pool {
  std::mutex mutex;
  std::array<std::vector<void*>, 4 * 64> free;
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
  const size_t whole = piece_size(bytes + kHeader);
  void* piece = nullptr;
  {
    const std::lock_guard lock(pool().mutex);
    std::vector<void*>& free = pool().free[class_of(whole)];
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
      pool().free[class_of(whole)].push_back(piece);
      pool().kept += whole;
      return;
    }
  } catch (...) {  // no room to note it: free it
  }
  std::free(piece);
}

}  // namespace relhop
