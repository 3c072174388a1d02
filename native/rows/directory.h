// What is known of records: which slot of the pool holds each, and which places of the window want it.
//
// A hash table with chains, whose entries keep their numbers, so that a batch looks each of its records up once and
// then remembers the entry. With as many buckets as there are records, a record is its own bucket.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/pages.h"
#include "base/random.h"

namespace relhop {

inline constexpr uint32_t kNone = UINT32_MAX, kForgotten = kNone - 1;
// Places of a window, each of a batch or of several small ones.
inline constexpr unsigned kPlaces = 24;
// The last of a place's batches are told apart no more.
inline constexpr unsigned kOrderBits = 6, kMostOrder = (1U << kOrderBits) - 1;
// Records of a table: what a word has room for besides.
inline constexpr uint64_t kMostRecords = uint64_t{1} << (64 - kPlaces - kOrderBits);

class Directory {
 public:
  struct Entry {
    uint64_t
        word;  // record << 30 | the order in its place of the batch that wanted it last << 24 | places that want it
    uint32_t slot;  // kNone: not in the pool; kForgotten: no entry any more
    uint32_t next;  // of the chain, or of the entries that are free; 0: the last

    uint64_t record() const { return word >> (kPlaces + kOrderBits); }
    uint32_t wanted() const { return static_cast<uint32_t>(word) & ((1U << kPlaces) - 1); }
    unsigned order() const { return static_cast<unsigned>(word >> kPlaces) & kMostOrder; }
    void set_order(unsigned order) { word = (word & ~(uint64_t{kMostOrder} << kPlaces)) | uint64_t{order} << kPlaces; }
  };
  // What a record costs here, at two buckets for each.
  static constexpr size_t kBytesEach = sizeof(Entry) + 2 * sizeof(uint32_t);

  // Has room for `expected` records, and grows with more.
  Directory(uint64_t num_records, uint64_t expected)
      : num_records_(num_records),
        buckets_(buckets_for(2 * expected)),
        entries_(std::min<uint64_t>(num_records, kNone - 1) + 1) {}

  Entry& operator[](uint32_t number) { return entries_[number]; }
  const Entry& operator[](uint32_t number) const { return entries_[number]; }
  size_t size() const { return size_; }
  void prefetch(uint32_t number) const { __builtin_prefetch(&entries_[number]); }
  // The two steps towards a record's entry: the second waits for the first one's.
  void prefetch_bucket(uint64_t record) const { __builtin_prefetch(&buckets_[bucket(record)]); }
  void prefetch_first(uint64_t record) const { prefetch(buckets_[bucket(record)]); }

  // The entry of a record; kNone if there is none.
  uint32_t find(uint64_t record) const {
    for (uint32_t number = buckets_[bucket(record)]; number != 0; number = entries_[number].next)
      if (entries_[number].record() == record) return number;
    return kNone;
  }
  // Whether an entry, which may have been removed and used again, is that of a record.
  bool is_of(uint32_t number, uint64_t record) const {
    return entries_[number].record() == record && entries_[number].slot != kForgotten;
  }
  // The entry of a record, a new one if there was none: in no slot, wanted by nobody.
  uint32_t add(uint64_t record) {
    const uint32_t found = find(record);
    if (found != kNone) return found;
    if (size_ == buckets_.size() && size_ < num_records_) grow();
    uint32_t number = free_;
    if (number != 0)
      free_ = entries_[number].next;
    else
      number = ++used_;
    uint32_t& first = buckets_[bucket(record)];
    entries_[number] = {record << (kPlaces + kOrderBits), kNone, first};
    first = number;
    ++size_;
    return number;
  }
  void remove(uint32_t number) {
    entries_[number].slot = kForgotten;
    uint32_t* link = &buckets_[bucket(entries_[number].record())];
    while (*link != number) link = &entries_[*link].next;
    *link = entries_[number].next;
    entries_[number].next = free_;
    free_ = number;
    --size_;
  }

  // Calls use(i, add(records[i])) in order, their memory asked for ahead; some time before, far(record) and then
  // near(entry), the first of its bucket, may do so for what else is needed.
  template <class Far, class Near, class Use>
  void add_each(std::span<const int64_t> records, Far far, Near near, Use use) {
    constexpr size_t kLag = 20;
    for (size_t i = 0; i < records.size(); ++i) {
      if (i + 3 * kLag < records.size()) {
        prefetch_bucket(static_cast<uint64_t>(records[i + 3 * kLag]));
        far(static_cast<uint64_t>(records[i + 3 * kLag]));
      }
      if (i + 2 * kLag < records.size()) prefetch_first(static_cast<uint64_t>(records[i + 2 * kLag]));
      if (i + kLag < records.size()) near(entries_[buckets_[bucket(static_cast<uint64_t>(records[i + kLag]))]]);
      use(i, add(static_cast<uint64_t>(records[i])));
    }
  }

 private:
  uint64_t buckets_for(uint64_t count) const { return std::max<uint64_t>(std::min(num_records_, count), 1); }

  uint64_t bucket(uint64_t record) const {
    if (buckets_.size() == num_records_) return record;
    return scaled(mix(record), buckets_.size());
  }

  void grow() {
    Pages<uint32_t> old(buckets_for(2 * buckets_.size()));
    std::swap(old, buckets_);
    for (size_t i = 0; i < old.size(); ++i)
      for (uint32_t number = old[i]; number != 0;) {
        Entry& entry = entries_[number];
        const uint32_t next = entry.next;
        uint32_t& first = buckets_[bucket(entry.record())];
        entry.next = first;
        first = number;
        number = next;
      }
  }

  uint64_t num_records_;
  Pages<uint32_t> buckets_;
  Pages<Entry> entries_;  // number 0 is no entry
  uint32_t free_ = 0, used_ = 0;
  size_t size_ = 0;
};

}  // namespace relhop
