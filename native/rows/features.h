// Rows -> their features: records from wherever they are, taken apart into columns, with times and positions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "packed/packed.h"
#include "packed/times.h"
#include "rows/disk_records.h"
#include "rows/records.h"

namespace relhop {

// Immutable but for the pool of records on disk, which has a lock; any number of threads may gather.
struct FeatureTable {
  std::string name;
  RecordLayout layout;
  uint64_t num_rows = 0;
  std::span<const std::byte> records;  // in RAM or mapped
  std::shared_ptr<DiskRecords> disk;   // in their place: on disk behind a pool
  bool timed = false;
  PackedTimes time;
  PackedRows order;  // row -> position; data is null where rows keep the input's order

  // Throws CorruptStore where sizes do not fit together.
  void check() const;
  // Throws std::out_of_range on a row that the table does not have.
  void check_rows(std::span<const int64_t> rows) const;

  // Threads change nothing but the speed. Throws std::out_of_range, and what reading from disk throws.
  FeatureRows gather(std::span<const int64_t> rows, unsigned num_threads = 1) const;

  // The same in steps, of rows that were checked: room; the parts that are in memory; of disk, see DiskRecords.
  FeatureRows make_room(size_t count) const;
  void gather_in_memory(std::span<const int64_t> rows, FeatureRows& out, unsigned num_threads) const;

 private:
  void gather_slice(std::span<const int64_t> rows, size_t begin, size_t end, FeatureRows& out) const;
};

}  // namespace relhop
