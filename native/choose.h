// Which k of n neighbors: positions in a time-ordered list, 0 the oldest and n - 1 the newest, chosen ascending.
#pragma once

#include <cstdint>
#include <vector>

#include "random.h"
#include "stamped_map.h"

namespace relhop {

enum class Strategy : uint8_t {
  // One neighbor from each of k strata of ranks, the newest rank being 0; stratum i is the ranks [b(i), b(i + 1)) with
  // b(i) = i + floor((n - k) i^3 / k^3). A rank of a stratum of width w is drawn with probability 1 / w exactly: the
  // newest are nearly sure, and far from the end the chance falls as rank^(-2/3).
  recency = 0,
  // The k newest.
  last = 1,
  // Every k-subset alike (Floyd's algorithm: Bentley and Floyd, CACM 1987).
  uniform = 2,
};

// Draws positions; keeps scratch memory between calls, so one a thread.
class Chooser {
 public:
  // Ascending positions of k out of n, 1 <= k < n. Valid until the next call.
  const std::vector<uint64_t>& choose(Strategy strategy, uint64_t n, uint64_t k, Stream stream);

 private:
  void choose_recency(uint64_t n, uint64_t k, Stream& stream);
  void choose_uniform(uint64_t n, uint64_t k, Stream& stream);

  std::vector<uint64_t> chosen_;
  StampedMap taken_;
};

}  // namespace relhop
