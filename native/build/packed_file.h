// A packed stream (packed.h) on its way to a file: pieces of it are written in any order, by any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>

#include "base/file.h"
#include "packed/packed.h"

namespace relhop {

// 64 elements fill `width` words exactly, so groups of 64 share no word.
void pack_group(const uint64_t* rows, uint32_t width, uint64_t* words);

class PackedFile {
 public:
  PackedFile(const std::string& path, uint64_t size, uint32_t width)
      : file_(File::create(path)), size_(size), width_(width) {}

  // Elements begin, begin + 1, ...; each element of the stream is to be written once.
  void write(uint64_t begin, std::span<const uint64_t> rows);
  // Writes what is left when all elements were given: the groups that two pieces share, and the padding.
  void finish();

 private:
  void keep(uint64_t begin, std::span<const uint64_t> rows);

  const File file_;
  const uint64_t size_;
  const uint32_t width_;
  std::mutex mutex_;
  std::map<uint64_t, std::array<uint64_t, 64>> shared_groups_;
};

}  // namespace relhop
