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

// A number of each row, in memory or on disk; or none.
struct RowNumbers {
  PackedRows rows;  // data is null where they are on disk, or none
  const Elements* on_disk = nullptr;

  bool are_there() const { return rows.data != nullptr || on_disk != nullptr; }
  // out[i] = that of wanted[i], which the table has. Throws IoError.
  void take(std::span<const int64_t> wanted, int64_t* out) const;
};

// Immutable but for the pool of records on disk, which has a lock; any number of threads may gather.
struct FeatureTable {
  std::string name;
  RecordLayout layout;
  uint64_t num_rows = 0;
  std::span<const std::byte> records;  // in RAM or mapped
  std::shared_ptr<DiskRecords> disk;   // in their place: on disk behind a pool
  RowNumbers slots;                    // row -> record; none where that is the same
  bool timed = false;
  PackedTimes time;
  RowNumbers order;  // row -> position; none where rows keep the input's order

  // Throws CorruptStore where sizes do not fit together.
  void check() const;
  // Throws std::out_of_range on a row that the table does not have.
  void check_rows(std::span<const int64_t> rows) const;

  // Threads change nothing but the speed. Throws std::out_of_range, and what reading from disk throws.
  FeatureRows gather(std::span<const int64_t> rows, unsigned num_threads = 1) const;

  // The same of rows that were checked.
  FeatureRows gather_checked(std::span<const int64_t> rows, unsigned num_threads = 1) const;
  // The same in steps: room; the parts that are in memory; of disk, see DiskRecords.
  FeatureRows make_room(size_t count) const;
  void gather_in_memory(std::span<const int64_t> rows, FeatureRows& out, unsigned num_threads) const;
  // What is on disk beside the records, of several batches at once: out[i] has room for rows[i].
  void read_places(std::span<const std::span<const int64_t>> rows, std::span<FeatureRows* const> out) const;

  // Rows that were checked -> records; `room` is used where they differ. Throws CorruptStore.
  std::span<const int64_t> records_of(std::span<const int64_t> rows, Buffer<int64_t>& room) const;

 private:
  void gather_slice(std::span<const int64_t> rows, size_t begin, FeatureRows& out) const;
};

}  // namespace relhop
