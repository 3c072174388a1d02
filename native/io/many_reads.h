// Many reads at once, as the device likes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "io/direct_file.h"

namespace relhop {

// One a thread at a time. Holds 16 MiB of memory in which reads arrive, and a ring of io_uring or up to 32 threads; all
// are gone with it. A child of fork() may use and destroy the copy it got: it makes a ring or threads of its own.
class ManyReads {
 public:
  enum class Engine {
    automatic,  // io_uring where the system allows it, else pread
    io_uring,
    pread,
  };

  // `depth`: how many reads are on their way at most. Throws std::system_error where io_uring is asked for and refused.
  explicit ManyReads(Engine engine = Engine::automatic, unsigned depth = 256);
  ManyReads(ManyReads&& other) noexcept;
  ManyReads& operator=(ManyReads&& other) noexcept;
  ~ManyReads();

  // Which one runs: "io_uring" or "pread"; "none" after the system took no more reads, until the next run.
  const char* engine() const;

  // Offset and length as plan_extents makes them: the offset is a multiple of the file's block size.
  struct Read {
    const DirectFile* file;
    uint64_t offset, length;
  };
  static constexpr uint64_t max_length() { return uint64_t{16} << 20; }

  // Reads all, in any order, and calls arrived(i, bytes) for each, on the calling thread; the bytes are good until it
  // returns. Reads that come short or are interrupted are taken up again. Throws IoError, with the file's end as errno
  // 0, and what `arrived` throws; then nothing is on its way any more.
  void run(std::span<const Read> reads, const std::function<void(size_t, const std::byte*)>& arrived);

  // Of all runs: reads that arrived, their bytes, and the seconds that run() took.
  struct Stats {
    uint64_t reads = 0, bytes = 0;
    double seconds = 0;
  };
  const Stats& stats() const { return stats_; }

 private:
  struct Core;

  void open();
  void leave_to_parent();

  Engine wish_;
  unsigned depth_;
  std::unique_ptr<Core> core_;  // null: to be opened
  Stats stats_;
};

}  // namespace relhop
