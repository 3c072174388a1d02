// The batches that will be read next, and in which of them a record is wanted first.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "rows/directory.h"

namespace relhop {

// Batches take places of a ring, in the order in which they will be read; a set of batches is a mask of places.
class Window {
 public:
  // A place behind all others; none if the window is full.
  std::optional<unsigned> enter() {
    if ((end_ + 1) % kMostBatches == begin_) return std::nullopt;
    const unsigned place = end_;
    taken_ |= 1U << place;
    end_ = (end_ + 1) % kMostBatches;
    return place;
  }
  void leave(unsigned place) {
    taken_ &= ~(1U << place);
    while (begin_ != end_ && !(taken_ >> begin_ & 1)) begin_ = (begin_ + 1) % kMostBatches;
  }

  // How far a place is from the window's begin: 0 is next.
  unsigned distance(unsigned place) const { return (place + kMostBatches - begin_) % kMostBatches; }
  unsigned place_at(unsigned distance) const { return (begin_ + distance) % kMostBatches; }
  // The first place of a set that is not empty.
  unsigned first_of(uint32_t mask) const {
    const uint32_t from_begin = (mask >> begin_) | (mask << (kMostBatches - begin_) & kAll);
    return place_at(static_cast<unsigned>(std::countr_zero(from_begin)));
  }

 private:
  static constexpr uint32_t kAll = (1U << kMostBatches) - 1;
  uint32_t taken_ = 0;
  unsigned begin_ = 0, end_ = 0;
};

}  // namespace relhop
