#include "io/direct_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include "base/error.h"

namespace relhop {

namespace {

// The least block of direct reads of an open file; 0: it has none. 4096 where the system does not say.
uint32_t block_of_direct_reads([[maybe_unused]] int descriptor) {
#ifdef STATX_DIOALIGN
  struct statx found;
  if (::statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &found) == 0 && (found.stx_mask & STATX_DIOALIGN) != 0)
    return found.stx_dio_offset_align;
#endif
  return 4096;
}

uint64_t next_id() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

}  // namespace

DirectFile::DirectFile(const std::string& path) : path_(path), id_(next_id()) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  uint32_t block = descriptor_ < 0 ? 0 : block_of_direct_reads(descriptor_);
  is_direct_ = block != 0;
  if (!is_direct_ && (descriptor_ >= 0 || errno == EINVAL)) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ >= 0) ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_RANDOM);
  }
  if (descriptor_ < 0) throw IoError("cannot open the file", path, 0, errno);
  struct stat found;
  if (::fstat(descriptor_, &found) != 0) {
    const int error = errno;
    ::close(descriptor_);
    throw IoError("cannot see the size", path, 0, error);
  }
  size_ = static_cast<uint64_t>(found.st_size);
  block_size_ = std::max(block_size_, block);
}

DirectFile::DirectFile(DirectFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      block_size_(other.block_size_),
      is_direct_(other.is_direct_),
      id_(other.id_) {}

DirectFile& DirectFile::operator=(DirectFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(block_size_, other.block_size_);
  std::swap(is_direct_, other.is_direct_);
  std::swap(id_, other.id_);
  return *this;
}

DirectFile::~DirectFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace relhop
