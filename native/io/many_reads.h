// Many reads at once, as the device likes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "io/direct_file.h"

namespace relhop {

// One a thread.
class ManyReads {
 public:
  enum class Engine { automatic, io_uring, pread };
  explicit ManyReads(Engine = Engine::automatic, unsigned = 256) {}
  const char* engine() const { return "pread"; }
  // Offset and length as plan_extents makes them.
  struct Read {
    const DirectFile* file;
    uint64_t offset, length;
  };

  // Reads all, in any order, and calls arrived(i, bytes) for each, on the calling thread; the bytes are good until it
  // returns. Throws IoError, and what `arrived` throws; then nothing is on its way any more.
  void run(std::span<const Read> reads, const std::function<void(size_t, const std::byte*)>& arrived);
};

}  // namespace relhop
