#include "io/device.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "base/random.h"
#include "io/extents.h"
#include "io/many_reads.h"

namespace relhop {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kLeastMeasured = uint64_t{64} << 20;
constexpr DeviceCost kAssumed{100'000, 1e9};
constexpr size_t kReadsAtOnce = size_t{1} << 16;

// Reads of one length a second, from the first that arrives until the time is over.
double reads_per_second(ManyReads& reads, const DirectFile& file, uint64_t length, double seconds,
                        const std::function<uint64_t()>& next_offset) {
  struct TimeIsOver {};
  uint64_t count = 0;
  double passed = 0;
  Clock::time_point begin;
  try {
    for (;;) {
      std::vector<ManyReads::Read> wanted(kReadsAtOnce);
      for (ManyReads::Read& read : wanted) read = {&file, next_offset(), length};
      reads.run(wanted, [&](size_t, const std::byte*) {
        if (count++ == 0) begin = Clock::now();
        passed = std::chrono::duration<double>(Clock::now() - begin).count();
        if (passed > seconds) throw TimeIsOver();
      });
    }
  } catch (const TimeIsOver&) {
  }
  return static_cast<double>(count) / passed;
}

// What explains the seconds that reads of two lengths took. A share of the short read is the read's own, whatever noise
// says.
DeviceCost cost_of_two(double short_seconds, uint64_t short_read, double long_seconds, uint64_t long_read) {
  constexpr double kLeastShare = 0.1;
  const double a_byte = (long_seconds - short_seconds) / static_cast<double>(long_read - short_read);
  const double most = (1 - kLeastShare) * short_seconds / static_cast<double>(short_read);
  const double seconds_a_byte = a_byte > 0 ? std::min(a_byte, most) : most;
  return {1 / (short_seconds - seconds_a_byte * static_cast<double>(short_read)), 1 / seconds_a_byte};
}

}  // namespace

int64_t DeviceCost::bytes_a_read() const {
  constexpr double kMost = 4e9;
  const double bytes = bytes_per_second / reads_per_second;
  return bytes >= 0 ? static_cast<int64_t>(std::min(bytes, kMost)) : 0;
}

ProbedDevice probe(const DirectFile& file, double seconds) {
  if (file.size() < kLeastMeasured) return {kAssumed, false};
  ManyReads reads;
  const uint64_t short_read = file.block_size(), long_read = kMostExtent;
  // Other places each time: those of the last probe may still be in some cache.
  Stream places(static_cast<uint64_t>(Clock::now().time_since_epoch().count()));
  const double random = reads_per_second(reads, file, short_read, seconds / 2,
                                         [&] { return places.below(file.size() / short_read) * short_read; });
  uint64_t next = places.below(file.size() / long_read);
  const double in_order = reads_per_second(reads, file, long_read, seconds / 2,
                                           [&] { return next++ % (file.size() / long_read) * long_read; });
  return {cost_of_two(1 / random, short_read, 1 / in_order, long_read), true};
}

}  // namespace relhop
