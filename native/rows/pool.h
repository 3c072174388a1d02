// Slots that hold records, each by when its record is wanted next; says which slot a record may take.
//
// Records that a batch of the window wants stay in the order of Belady (1966): who is wanted soonest stays. Those that
// no batch of the window wants go before them, the least frequent first, and come only in place of a less frequent one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>

#include "base/pages.h"
#include "rows/directory.h"
#include "rows/frequencies.h"
#include "rows/window.h"

namespace relhop {

class Pool {
 public:
  // What a slot costs besides its record.
  static constexpr size_t kBytesEach = sizeof(uint32_t) + 1;

  // When a record is wanted: by the batch at a place of the window, or by none, and how often it was. What a slot's
  // byte says, so that victims are found by a search for a byte.
  using Use = uint8_t;
  static constexpr Use at_place(unsigned place) { return static_cast<Use>(place); }
  static constexpr Use idle(unsigned frequency) { return static_cast<Use>(kIdle + frequency); }

  Pool(uint32_t num_slots, size_t record_size)
      : record_size_(record_size), records_(num_slots * record_size), owners_(num_slots), uses_(num_slots) {
    if (num_slots != 0) std::memset(uses_.data(), kFree, num_slots);
    counts_[kFree] = num_slots;
  }

  uint32_t num_slots() const { return static_cast<uint32_t>(owners_.size()); }
  std::byte* record(uint32_t slot) { return records_.data() + slot * record_size_; }
  const std::byte* record(uint32_t slot) const { return records_.data() + slot * record_size_; }
  // Of a slot that there may not be.
  void prefetch_use(uint32_t slot) const {
    if (slot < num_slots()) __builtin_prefetch(uses_.data() + slot);
  }
  // The directory's entry of the record in a slot; kNone if the slot is free.
  uint32_t owner(uint32_t slot) const { return uses_[slot] == kFree ? kNone : owners_[slot]; }

  // A slot for a record: a free one, or that of a record that may go for it. kNone: there is none.
  uint32_t room_for(Use use, const Window& window) {
    if (counts_[kFree] != 0) return find(kFree);
    while (lowest_ <= Frequencies::kMost && counts_[kIdle + lowest_] == 0) ++lowest_;
    if (lowest_ <= Frequencies::kMost) return use < kIdle || use > kIdle + lowest_ ? find(idle(lowest_)) : kNone;
    if (use >= kIdle) return kNone;
    for (unsigned distance = kPlaces; --distance > window.distance(use);) {
      const unsigned place = window.place_at(distance);
      if (counts_[place] != 0) return find(at_place(place));
    }
    return kNone;
  }
  // Slots that a record which the window wants may take from none that it wants, too.
  uint32_t num_spare() const { return std::accumulate(counts_.begin() + kIdle, counts_.end(), uint32_t{0}); }
  void put(uint32_t slot, uint32_t owner, Use use) {
    owners_[slot] = owner;
    set_use(slot, use);
  }
  void drop(uint32_t slot) { move(slot, kFree); }

  void set_use(uint32_t slot, Use use) {
    if (use >= kIdle) lowest_ = std::min<unsigned>(lowest_, use - kIdle);
    move(slot, use);
  }
  void halve_frequencies() {
    for (uint32_t slot = 0; slot < num_slots(); ++slot)
      if (uses_[slot] >= kIdle && uses_[slot] != kFree) set_use(slot, idle((uses_[slot] - kIdle) / 2));
  }

 private:
  static constexpr Use kIdle = kPlaces, kFree = kIdle + Frequencies::kMost + 1;

  void move(uint32_t slot, Use to) {
    if (uses_[slot] == to) return;
    --counts_[uses_[slot]];
    ++counts_[to];
    uses_[slot] = to;
  }

  // The next slot of this use; there is one.
  uint32_t find(Use use) {
    uint32_t& hand = hands_[use];
    const void* found = std::memchr(uses_.data() + hand, use, uses_.size() - hand);
    if (found == nullptr) found = std::memchr(uses_.data(), use, hand);
    hand = static_cast<uint32_t>(static_cast<const uint8_t*>(found) - uses_.data());
    return hand;
  }

  size_t record_size_;
  Pages<std::byte> records_;
  Pages<uint32_t> owners_;
  Pages<Use> uses_;
  std::array<uint32_t, kFree + 1> counts_{}, hands_{};
  unsigned lowest_ = 0;  // no idle record is less frequent
};

}  // namespace relhop
