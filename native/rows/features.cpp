#include "rows/features.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "base/parallel.h"

namespace relhop {

namespace {

// Records ahead of the one being copied whose memory is already asked for: enough to hide a miss to DRAM.
constexpr size_t kAhead = 8;
// The same of the packed arrays, a few bytes a row.
constexpr size_t kAheadPacked = 16;
// A thread is worth its start from so many bytes on.
constexpr size_t kWorthAThread = size_t{1} << 20;

}  // namespace

void FeatureTable::check() const {
  layout.check(name);
  if (disk == nullptr && records.size() != num_rows * layout.size)
    throw CorruptStore("table " + name + ": rows.bin holds " + std::to_string(records.size()) + " bytes, expected " +
                       std::to_string(num_rows * layout.size));
  if (timed && time.size() != num_rows) throw CorruptStore("table " + name + ": time.bin does not hold a time a row");
  if (order.data != nullptr && order.size != num_rows)
    throw CorruptStore("table " + name + ": order.bin does not hold a position a row");
  if (slots.data != nullptr && slots.size != num_rows)
    throw CorruptStore("table " + name + ": slots.bin does not hold a record a row");
}

void FeatureTable::check_rows(std::span<const int64_t> rows) const {
  for (int64_t row : rows)
    if (static_cast<uint64_t>(row) >= num_rows)
      throw std::out_of_range("table " + name + " has " + std::to_string(num_rows) + " rows; there is no row " +
                              std::to_string(row));
}

FeatureRows FeatureTable::make_room(size_t count) const {
  FeatureRows out;
  layout.make_room(count, out);
  out.time.resize(timed ? count : 0);
  out.position.resize(layout.is_raw ? 0 : count);
  return out;
}

uint64_t FeatureTable::record_of(int64_t row) const {
  if (slots.data == nullptr) return static_cast<uint64_t>(row);
  const uint64_t record = slots[static_cast<uint64_t>(row)];
  if (record >= num_rows)
    throw CorruptStore("table " + name + ": slots.bin leads row " + std::to_string(row) + " to record " +
                       std::to_string(record) + " of " + std::to_string(num_rows));
  return record;
}

std::span<const int64_t> FeatureTable::records_of(std::span<const int64_t> rows, Buffer<int64_t>& room) const {
  if (slots.data == nullptr) return rows;
  room.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i + kAheadPacked < rows.size()) slots.prefetch(static_cast<uint64_t>(rows[i + kAheadPacked]));
    room[i] = static_cast<int64_t>(record_of(rows[i]));
  }
  return {room.data(), room.size()};
}

FeatureRows FeatureTable::gather(std::span<const int64_t> rows, unsigned num_threads) const {
  check_rows(rows);
  FeatureRows out = make_room(rows.size());
  gather_in_memory(rows, out, num_threads);
  Buffer<int64_t> room;
  if (disk != nullptr) disk->gather(records_of(rows, room), out, num_threads);
  return out;
}

void FeatureTable::gather_in_memory(std::span<const int64_t> rows, FeatureRows& out, unsigned num_threads) const {
  const size_t bytes = rows.size() * (layout.size + 16);
  const size_t slices = std::clamp<size_t>(bytes / kWorthAThread, 1, std::max(num_threads, 1U));
  in_parallel(slices,
              [&](size_t i) { gather_slice(rows, rows.size() * i / slices, rows.size() * (i + 1) / slices, out); });
}

void FeatureTable::gather_slice(std::span<const int64_t> rows, size_t begin, size_t end, FeatureRows& out) const {
  if (!records.empty()) {
    const auto record = [&](size_t i) { return records.data() + record_of(rows[i]) * layout.size; };
    for (size_t i = begin; i < end; ++i) {
      if (slots.data != nullptr && i + kAheadPacked < end)
        slots.prefetch(static_cast<uint64_t>(rows[i + kAheadPacked]));
      if (i + kAhead < end) layout.prefetch(record(i + kAhead));
      layout.decode(record(i), i, out);
    }
    order_copies();
  }
  if (layout.is_raw) return;
  if (order.data == nullptr) {
    std::copy(rows.begin() + static_cast<ptrdiff_t>(begin), rows.begin() + static_cast<ptrdiff_t>(end),
              out.position.data() + begin);
  } else {
    for (size_t i = begin; i < end; ++i) {
      if (i + kAheadPacked < end) order.prefetch(static_cast<uint64_t>(rows[i + kAheadPacked]));
      out.position[i] = static_cast<int64_t>(order[static_cast<uint64_t>(rows[i])]);
    }
  }
  if (!timed) return;
  for (size_t i = begin; i < end; ++i) {
    if (i + 2 * kAheadPacked < end) time.prefetch_block(static_cast<uint64_t>(rows[i + 2 * kAheadPacked]));
    if (i + kAheadPacked < end) time.prefetch(static_cast<uint64_t>(rows[i + kAheadPacked]));
    out.time[i] = time[static_cast<uint64_t>(rows[i])];
  }
}

}  // namespace relhop
