// A hash map from row keys to small numbers that empties in O(1), so that it is reused for one seed after another.
#pragma once

#include <cstdint>
#include <vector>

#include "random.h"

namespace relhop {

class StampedMap {
 public:
  StampedMap() : slots_(1024) {}

  void clear() {
    size_ = 0;
    if (++stamp_ == 0) {
      for (Slot& slot : slots_) slot.stamp = 0;
      stamp_ = 1;
    }
  }

  // The value of `key`, and whether it was just put there.
  std::pair<uint32_t, bool> insert(uint64_t key, uint32_t value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = find(key);
    if (slot.stamp == stamp_) return {slot.value, false};
    slot = {key, value, stamp_};
    ++size_;
    return {value, true};
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t value = 0;
    uint32_t stamp = 0;
  };

  Slot& find(uint64_t key) {
    const uint64_t mask = slots_.size() - 1;
    uint64_t i = mix(key) & mask;
    while (slots_[i].stamp == stamp_ && slots_[i].key != key) i = (i + 1) & mask;
    return slots_[i];
  }

  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.stamp == stamp_) find(slot.key) = slot;
  }

  std::vector<Slot> slots_;
  uint64_t size_ = 0;
  uint32_t stamp_ = 1;
};

}  // namespace relhop
