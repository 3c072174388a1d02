// Which nodes are known already: maps from a node's key to its number. Made for bulk: they empty in O(1), so that they
// are used for one batch after another, and a key's slot can be asked for before it is needed.
//
// A slot holds `base + number`; what earlier batches left there is smaller than today's base.
#pragma once

#include <bit>
#include <cstdint>

#include "base/buffer.h"
#include "base/random.h"
#include "base/select.h"

namespace relhop {

inline constexpr uint32_t kAbsent = UINT32_MAX;

// A slot for every row of a table: for keys that are row numbers, and tables that are not far larger than a batch.
class RowTable {
 public:
  using Key = uint32_t;

  // The table as it is now; a copy that compilers keep in registers.
  struct View {
    uint32_t* stamped;
    uint32_t base;

    void prefetch(Key row) const { __builtin_prefetch(stamped + row, 1); }
    // The number of `row`: `number`, if it is new.
    uint32_t insert(Key row, uint32_t number) const {
      const uint32_t old = stamped[row];
      const uint32_t result = select(old < base, number, old - base);
      stamped[row] = base + result;
      return result;
    }
    uint32_t find(Key row) const { return stamped[row] < base ? kAbsent : stamped[row] - base; }
  };
  View view() { return {stamped_.data(), base_}; }

  // Keys are below `num_rows`.
  void reserve(uint64_t /*count*/, uint64_t num_rows) {
    if (stamped_.size() >= num_rows) return;
    stamped_ = Buffer<uint32_t>(num_rows);
    wipe();
  }
  // Numbers below `used` were given; 2^31 at most.
  void clear(uint32_t used) {
    base_ += used;
    if (base_ >= uint32_t{1} << 31) wipe();
  }

 private:
  void wipe() {
    if (!stamped_.empty()) std::memset(stamped_.data(), 0, stamped_.size() * sizeof(uint32_t));
    base_ = 1;
  }

  Buffer<uint32_t> stamped_;
  uint32_t base_ = 1;
};

// A hash map, for other keys.
template <class K>
class HashTable {
 public:
  using Key = K;
  struct Slot {
    Key key;
    uint32_t stamped;
  };

  struct View {
    Slot* slots;
    uint64_t mask;
    uint32_t shift, base;

    uint64_t home(Key key) const { return (key * kGolden) >> shift; }
    void prefetch(Key key) const { __builtin_prefetch(slots + home(key), 1); }
    uint32_t insert(Key key, uint32_t number) const {
      for (uint64_t i = home(key);; i = (i + 1) & mask) {
        Slot& slot = slots[i];
        if (slot.stamped < base) {
          slot = {key, base + number};
          return number;
        }
        if (slot.key == key) return slot.stamped - base;
      }
    }
    uint32_t find(Key key) const {
      for (uint64_t i = home(key);; i = (i + 1) & mask) {
        if (slots[i].stamped < base) return kAbsent;
        if (slots[i].key == key) return slots[i].stamped - base;
      }
    }
  };
  View view() { return {slots_.data(), slots_.size() - 1, shift_, base_}; }

  HashTable() { allocate(1024); }

  // Room for so many keys in all.
  void reserve(uint64_t count, uint64_t /*num_rows*/ = 0) {
    if (2 * count > slots_.size()) grow(std::bit_ceil(2 * count));
  }
  void clear(uint32_t used) {
    base_ += used;
    if (base_ >= uint32_t{1} << 31) wipe();
  }

 private:
  void allocate(uint64_t size) {
    slots_ = Buffer<Slot>(size);
    shift_ = static_cast<uint32_t>(64 - std::bit_width(size - 1));
    wipe();
  }
  void wipe() {
    std::memset(static_cast<void*>(slots_.data()), 0, slots_.size() * sizeof(Slot));
    base_ = 1;
  }
  void grow(uint64_t size) {
    const Buffer<Slot> old = std::move(slots_);
    const uint32_t base = base_;
    allocate(size);
    for (const Slot& slot : old)
      if (slot.stamped >= base) view().insert(slot.key, slot.stamped - base);
  }

  Buffer<Slot> slots_;
  uint32_t shift_ = 0, base_ = 1;
};

}  // namespace relhop
