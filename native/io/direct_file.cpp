#include "io/direct_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace relhop {

DirectFile::DirectFile(const std::string& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  is_direct_ = descriptor_ >= 0;
  if (descriptor_ < 0 && errno == EINVAL) descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) throw IoError("cannot open the file", path, 0, errno);
  struct stat found;
  if (::fstat(descriptor_, &found) != 0) throw IoError("cannot see the size", path, 0, errno);
  size_ = static_cast<uint64_t>(found.st_size);
}

DirectFile::DirectFile(DirectFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      block_size_(other.block_size_),
      is_direct_(other.is_direct_) {}

DirectFile& DirectFile::operator=(DirectFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(block_size_, other.block_size_);
  std::swap(is_direct_, other.is_direct_);
  return *this;
}

DirectFile::~DirectFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace relhop
