// An open file with positioned reads and writes that are done whole or throw IoError. Threads may share one.
#pragma once

#include <cstdint>
#include <string>

namespace relhop {

class File {
 public:
  File() = default;
  // A new file at the path, or an old one emptied.
  static File create(const std::string& path);
  // A file without a name in an existing folder: it is gone with the process, whatever ends it.
  static File scratch(const std::string& folder);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  bool is_open() const { return descriptor_ >= 0; }
  void write(uint64_t offset, const void* bytes, uint64_t size) const;
  void read(uint64_t offset, void* bytes, uint64_t size) const;

  // The first `size` bytes as memory, which outlives the file object; their place on the disk is taken first, so that a
  // full disk is an error here and no signal later. munmap() gives the memory back.
  void* map(uint64_t size) const;

 private:
  File(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}

  int descriptor_ = -1;
  std::string path_;
};

}  // namespace relhop
