// How often records were wanted, roughly and lately.
//
// Records share counters where there are more records than counters, as in TinyLFU (Einziger, Friedman, Manes, ACM
// TOS 2017) with one hash; after a while all counts are halved, so that what was wanted long ago counts less.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/pages.h"
#include "base/random.h"

namespace relhop {

class Frequencies {
 public:
  static constexpr unsigned kMost = 127;

  Frequencies(uint64_t num_records, uint64_t num_counters)
      : num_records_(num_records), counts_(std::max<uint64_t>(std::min(num_records, num_counters), 1)) {}

  unsigned operator[](uint64_t record) const { return counts_[counter(record)]; }
  void prefetch(uint64_t record) const { __builtin_prefetch(&counts_[counter(record)]); }

  // Counts a use; true if counts were halved.
  bool add(uint64_t record) {
    uint8_t& count = counts_[counter(record)];
    count = static_cast<uint8_t>(count + (count < kMost));
    if (++added_ < kLife * counts_.size()) return false;
    added_ = 0;
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] /= 2;
    return true;
  }

 private:
  // Uses between two halvings, for each counter.
  static constexpr uint64_t kLife = 16;

  uint64_t counter(uint64_t record) const {
    if (counts_.size() == num_records_) return record;
    return scaled(mix(record), counts_.size());
  }

  uint64_t num_records_;
  Pages<uint8_t> counts_;
  uint64_t added_ = 0;
};

}  // namespace relhop
