#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/error.h"

namespace relhop {
namespace {

std::string cannot(const char* verb, uint64_t size) {
  return std::string("cannot ") + verb + " " + std::to_string(size) + " bytes";
}

}  // namespace

File File::create(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) throw IoError("cannot open the file", path, 0, errno);
  return {descriptor, path};
}

File File::scratch(const std::string& folder) {
  std::string path = folder + "/relhop-scratch-XXXXXX";
  const int descriptor = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor < 0) throw IoError("cannot open a scratch file", path, 0, errno);
  unlink(path.c_str());
  return {descriptor, path};
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) close(descriptor_);
}

void File::write(uint64_t offset, const void* bytes, uint64_t size) const {
  const auto* from = static_cast<const uint8_t*>(bytes);
  while (size > 0) {
    const ssize_t done = pwrite(descriptor_, from, size, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) throw IoError(cannot("write", size), path_, offset, done < 0 ? errno : ENOSPC);
    from += done;
    offset += static_cast<uint64_t>(done);
    size -= static_cast<uint64_t>(done);
  }
}

void File::read(uint64_t offset, void* bytes, uint64_t size) const {
  auto* to = static_cast<uint8_t*>(bytes);
  while (size > 0) {
    const ssize_t done = pread(descriptor_, to, size, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) throw IoError(cannot("read", size), path_, offset, done < 0 ? errno : 0);
    to += done;
    offset += static_cast<uint64_t>(done);
    size -= static_cast<uint64_t>(done);
  }
}

void* File::map(uint64_t size) const {
  const int error = posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
  if (error != 0) throw IoError(cannot("reserve", size), path_, 0, error);
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (data == MAP_FAILED) throw IoError(cannot("map", size), path_, 0, errno);
  return data;
}

}  // namespace relhop
