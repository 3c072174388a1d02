// What ManyReads runs on: reads are handed over and come back done, in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/direct_file.h"

namespace relhop {

class ReadEngine {
 public:
  struct Request {
    const DirectFile* file;
    uint64_t offset;
    uint32_t length;
    uint32_t token;  // the caller's name for it
    std::byte* bytes;
  };
  struct Done {
    uint32_t token;
    int32_t result;  // bytes that were read, or a negative errno
  };

  virtual ~ReadEngine() = default;
  virtual const char* name() const = 0;

  // At most as many as the engine's depth are on their way.
  virtual void add(const Request& request) = 0;
  // Starts all that was added, waits until `least` of what is on its way are done, and returns how many it wrote to
  // `done`: at least one. Throws std::system_error where the system takes no reads at all.
  virtual size_t wait(size_t least, std::span<Done> done) = 0;
};

}  // namespace relhop
