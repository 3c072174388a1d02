// A file that is read past the page cache, in whole blocks. Immutable; threads may share one.
#pragma once

#include <cstdint>
#include <string>

namespace relhop {

class DirectFile {
 public:
  // Throws IoError. Where the file system refuses direct reads, the page cache serves.
  explicit DirectFile(const std::string& path);
  DirectFile(DirectFile&& other) noexcept;
  DirectFile& operator=(DirectFile&& other) noexcept;
  ~DirectFile();

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  uint64_t size() const { return size_; }
  // Offsets and lengths of reads are multiples of this, but for the end of the file. A power of two, 4096 or more: a
  // device that offers smaller blocks reads no more of them in a second.
  uint32_t block_size() const { return block_size_; }
  bool is_direct() const { return is_direct_; }
  // No other file of this process ever has the same.
  uint64_t id() const { return id_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  uint32_t block_size_ = 4096;
  bool is_direct_ = false;
  uint64_t id_ = 0;
};

}  // namespace relhop
