// Faults for tests: what a device, a file system or a container's rules may do, done on purpose. Off by default, and
// then one relaxed load a read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace relhop {

struct Fault {
  enum class Kind {
    fail,    // the read fails; `value` is the errno
    cut,     // the read brings no more than `value` bytes; 0 is the file's end
    flip,    // the bits `value` of the file's byte `offset` are flipped, where a read brings it
    refuse,  // a step of io_uring's setup fails; `value` is the errno, `path` the step: "ring", "buffers", "files"
  };

  Kind kind = Kind::fail;
  std::string path;  // reads of files whose path contains this
  int64_t value = 0;
  uint64_t offset = 0;
  uint64_t after = 0;  // so many reads that it could strike are spared
  uint64_t times = std::numeric_limits<uint64_t>::max();
};

// For all threads, beside those that are there.
void inject(const Fault& fault);
// How often faults struck since the last call; removes them all.
uint64_t clear_faults();

extern std::atomic<bool> faults_are_on;

int64_t struck(const std::string& path, uint64_t offset, std::span<std::byte> bytes, int64_t result);
int refusal_of(const char* step);

// What the read of so many bytes came to: its own result, unless a fault strikes.
inline int64_t result_of(const std::string& path, uint64_t offset, std::span<std::byte> bytes, int64_t result) {
  return faults_are_on.load(std::memory_order_relaxed) ? struck(path, offset, bytes, result) : result;
}

// The errno with which a step of the setup is refused; 0: none.
inline int refusal(const char* step) { return faults_are_on.load(std::memory_order_relaxed) ? refusal_of(step) : 0; }

}  // namespace relhop
