#include "build/space.h"

#include <sys/mman.h>

#include <new>
#include <utility>

#include "base/file.h"

namespace relhop {

Space::Space(uint64_t size) : size_(size) {
  if (size == 0) return;
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<uint8_t*>(data);
  madvise(data, size, MADV_HUGEPAGE);
}

Space::Space(uint64_t size, const std::string& scratch_folder) : size_(size) {
  if (size != 0) data_ = static_cast<uint8_t*>(File::scratch(scratch_folder).map(size));
}

Space::Space(Space&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Space& Space::operator=(Space&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Space::~Space() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace relhop
