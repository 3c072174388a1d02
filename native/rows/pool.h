// Slots that hold records, each by when its record is wanted next; says which slot a record may take.
//
// Records that a batch of the window wants stay in the order of Belady (1966): who is wanted soonest stays. Those that
// no batch of the window wants go before them, the least used first; uses count half as much after a while.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/pages.h"
#include "rows/directory.h"
#include "rows/window.h"

namespace relhop {

class Pool {
 public:
  // What a slot costs besides its record.
  static constexpr size_t kBytesEach = sizeof(uint32_t) + 2;

  Pool(uint32_t num_slots, size_t record_size)
      : record_size_(record_size),
        records_(num_slots * record_size),
        owners_(num_slots),
        wanted_(num_slots),
        uses_(num_slots) {
    std::memset(wanted_.data(), kFree, num_slots);
    counts_[kFree] = num_slots;
  }

  uint32_t num_slots() const { return static_cast<uint32_t>(owners_.size()); }
  std::byte* record(uint32_t slot) { return records_.data() + slot * record_size_; }
  const std::byte* record(uint32_t slot) const { return records_.data() + slot * record_size_; }
  // The directory's entry of the record in a slot; kNone if the slot is free.
  uint32_t owner(uint32_t slot) const { return wanted_[slot] == kFree ? kNone : owners_[slot]; }

  // A slot for a record that the batch at a place of the window wants next, or none does (kNone): a free one, or that
  // of a record that is wanted later. The caller takes leave of its owner, then calls put(). kNone: it may not stay.
  uint32_t room_for(unsigned place, const Window& window) {
    if (counts_[kFree] != 0) return find(kFree);
    for (unsigned uses = 0; uses <= kMostUses; ++uses)
      if (counts_[kIdle + uses] != 0) return find(kIdle + uses);
    if (place == kNone) return kNone;
    for (unsigned distance = kMostBatches; --distance > window.distance(place);)
      if (counts_[window.place_at(distance)] != 0) return find(window.place_at(distance));
    return kNone;
  }
  void put(uint32_t slot, uint32_t owner, unsigned place) {
    if (wanted_[slot] >= kIdle && wanted_[slot] != kFree && ++idle_evictions_ >= 2 * owners_.size()) age();
    owners_[slot] = owner;
    uses_[slot] = 0;
    move(slot, place == kNone ? kIdle : place);
  }
  void drop(uint32_t slot) { move(slot, kFree); }

  // The record is wanted next by the batch at a place, or by none (kNone).
  void want(uint32_t slot, unsigned place) { move(slot, place == kNone ? kIdle + uses_[slot] : place); }
  // The same after it was read once more.
  void use(uint32_t slot, unsigned place) {
    uses_[slot] = static_cast<uint8_t>(uses_[slot] + (uses_[slot] < kMostUses));
    want(slot, place);
  }

 private:
  // What a slot's byte says: a place of the window, or that none wants it and how often it was used, or that it is
  // free. So victims are found by a search for a byte.
  static constexpr unsigned kIdle = kMostBatches, kMostUses = 15, kFree = kIdle + kMostUses + 1;

  void move(uint32_t slot, unsigned to) {
    --counts_[wanted_[slot]];
    ++counts_[to];
    wanted_[slot] = static_cast<uint8_t>(to);
  }

  // The next slot with this byte; there is one.
  uint32_t find(unsigned byte) {
    uint32_t& hand = hands_[byte];
    const void* found = std::memchr(wanted_.data() + hand, static_cast<int>(byte), wanted_.size() - hand);
    if (found == nullptr) found = std::memchr(wanted_.data(), static_cast<int>(byte), hand);
    hand = static_cast<uint32_t>(static_cast<const uint8_t*>(found) - wanted_.data());
    return hand;
  }

  void age() {
    idle_evictions_ = 0;
    for (uint32_t slot = 0; slot < num_slots(); ++slot) {
      uses_[slot] /= 2;
      if (wanted_[slot] >= kIdle && wanted_[slot] != kFree) move(slot, kIdle + uses_[slot]);
    }
  }

  size_t record_size_;
  Pages<std::byte> records_;
  Pages<uint32_t> owners_;
  Pages<uint8_t> wanted_, uses_;
  std::array<uint32_t, kFree + 1> counts_{}, hands_{};
  uint64_t idle_evictions_ = 0;
};

}  // namespace relhop
