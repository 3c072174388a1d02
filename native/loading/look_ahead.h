// How many batches are sampled beyond those that are read, and how many are read at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

namespace relhop {

// Batches whose samples are held in memory.
inline constexpr size_t kMostAhead = 1024;

// A number that was given, or one that follows the batches: as many as the pools can foresee, while their samples take
// no more than kAheadBytes. Rounds follow the batches, too.
class LookAhead {
 public:
  // What the batches of a round take, if they are several: enough that a device does not run dry at each batch's end.
  static constexpr size_t kRound = size_t{64} << 20;
  // What the samples of all batches that are looked ahead at take, unless a number was given.
  static constexpr size_t kAheadBytes = size_t{512} << 20;

  explicit LookAhead(std::optional<size_t> given) : given_(given) {}

  // A batch that was sampled: the bytes of its rows, of its sample and what else is noted of it, and how many batches
  // like it the pools can foresee.
  void sampled(size_t row_bytes, size_t sample_bytes, size_t foreseen) {
    const size_t bytes = std::max<size_t>(sample_bytes, 1);
    mean_bytes_ = mean_bytes_ == 0 ? bytes : (7 * mean_bytes_ + bytes) / 8;
    foreseen_ = foreseen;
    in_round_ = kRound / std::max(row_bytes, bytes);
  }
  // For each batch that is read one more is looked ahead at, until there are enough: the first is not waited for longer
  // than a few samples take, and a pool that is not full yet needs no foresight.
  void read(size_t batches) { reached_ = std::min(reached_ + batches, kMostAhead); }

  // Beyond those of a round.
  size_t batches() const {
    if (given_) return *given_;
    return std::min({kAheadBytes / std::max<size_t>(mean_bytes_, 1), foreseen_, reached_});
  }
  // At most of a round.
  size_t together() const { return std::clamp<size_t>(in_round_, 1, most_together()); }
  size_t most_together() const { return std::max<size_t>(given_ ? *given_ : reached_, 1); }

 private:
  static constexpr size_t kFirst = 8;

  const std::optional<size_t> given_;
  size_t mean_bytes_ = 0, foreseen_ = kFirst, in_round_ = 1, reached_ = kFirst;
};

}  // namespace relhop
