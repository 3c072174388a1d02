// The batches that will be read next, and in which of them a record is wanted first.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rows/directory.h"

namespace relhop {

// Batches take places of a ring, in the order in which they will be read; a set of places is a mask. Small batches
// share a place, so that the window reaches far enough.
class Window {
 public:
  // Places that are taken at once, at most.
  static constexpr size_t kMost = kPlaces - 1;

  struct Seat {
    unsigned place, order;  // the first batch of a place has order 0; the last orders are one
    uint64_t bit() const { return uint64_t{1} << place; }
  };

  // A seat for a batch of so many rows, behind all others: in the last place if that has `most` rows then, or fewer.
  // None if the window is full.
  std::optional<Seat> enter(size_t rows, size_t most) {
    const unsigned last = before(end_);
    if (begin_ != end_ && places_[last].rows + rows <= most) {
      places_[last].rows += rows;
      ++places_[last].batches;
      if (places_[last].order < kMostOrder) ++places_[last].order;
      return Seat{last, places_[last].order};
    }
    if ((end_ + 1) % kPlaces == begin_) return std::nullopt;
    places_[end_] = {rows, 1, 0};
    end_ = (end_ + 1) % kPlaces;
    return Seat{before(end_), 0};
  }
  // True if nobody else has the place.
  bool leave(const Seat& seat) {
    if (--places_[seat.place].batches != 0) return false;
    while (begin_ != end_ && places_[begin_].batches == 0) begin_ = (begin_ + 1) % kPlaces;
    while (begin_ != end_ && places_[before(end_)].batches == 0) end_ = before(end_);
    return true;
  }

  // How far a place is from the window's begin: 0 is next.
  unsigned distance(unsigned place) const { return (place + kPlaces - begin_) % kPlaces; }
  unsigned place_at(unsigned distance) const { return (begin_ + distance) % kPlaces; }
  // The first place of a set that is not empty.
  unsigned first_of(uint32_t mask) const {
    const uint32_t from_begin = (mask >> begin_) | (mask << (kPlaces - begin_) & kAll);
    return place_at(static_cast<unsigned>(std::countr_zero(from_begin)));
  }

 private:
  struct Place {
    size_t rows;  // of all batches that it ever had
    size_t batches;
    unsigned order;  // of the last
  };
  static constexpr uint32_t kAll = (1U << kPlaces) - 1;

  static unsigned before(unsigned place) { return (place + kPlaces - 1) % kPlaces; }

  std::array<Place, kPlaces> places_{};
  unsigned begin_ = 0, end_ = 0;
};

}  // namespace relhop
