#include "io/many_reads.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.h"

namespace relhop {

void ManyReads::run(std::span<const Read> reads, const std::function<void(size_t, const std::byte*)>& arrived) {
  uint64_t longest = 0;
  for (const Read& read : reads) longest = std::max(longest, read.length);
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  const std::unique_ptr<std::byte, Free> bytes(
      static_cast<std::byte*>(std::aligned_alloc(4096, (longest + 4095) / 4096 * 4096)));
  for (size_t i = 0; i < reads.size(); ++i) {
    const Read& read = reads[i];
    for (uint64_t done = 0; done < read.length;) {
      const ssize_t got = ::pread(read.file->descriptor(), bytes.get() + done, (read.length - done + 4095) / 4096 * 4096,
                                  static_cast<off_t>(read.offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        throw IoError("cannot read " + std::to_string(read.length) + " bytes", read.file->path(), read.offset,
                      got < 0 ? errno : 0);
      done += static_cast<uint64_t>(got);
    }
    arrived(i, bytes.get());
  }
}

}  // namespace relhop
