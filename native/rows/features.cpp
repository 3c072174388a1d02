#include "rows/features.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/error.h"

namespace relhop {

namespace {

// Records ahead of the one being copied whose cache lines are already asked for: enough to hide a miss to DRAM.
constexpr size_t kAhead = 16;

}  // namespace

void FeatureTable::check() const {
  const size_t used = 8 * num_timestamps + 4 * num_numerical + 4 * num_categorical;
  if (used > record_size)
    throw CorruptStore("table " + name + ": fields of " + std::to_string(used) + " bytes in records of " +
                       std::to_string(record_size));
  if (records.size() != num_rows * record_size)
    throw CorruptStore("table " + name + ": rows.bin holds " + std::to_string(records.size()) + " bytes, expected " +
                       std::to_string(num_rows * record_size));
  if (timed && time.size() != num_rows) throw CorruptStore("table " + name + ": time.bin does not hold a time a row");
  if (order.data != nullptr && order.size != num_rows)
    throw CorruptStore("table " + name + ": order.bin does not hold a position a row");
}

FeatureRows FeatureTable::gather(std::span<const int64_t> rows) const {
  const size_t count = rows.size();
  for (int64_t row : rows)
    if (row < 0 || static_cast<uint64_t>(row) >= num_rows)
      throw std::out_of_range("table " + name + " has " + std::to_string(num_rows) + " rows; there is no row " +
                              std::to_string(row));
  FeatureRows out{Buffer<int64_t>(count * num_timestamps), Buffer<float>(count * num_numerical),
                  Buffer<int64_t>(count * num_categorical), Buffer<int64_t>(timed ? count : 0), Buffer<int64_t>(count)};
  for (size_t i = 0; i < count; ++i) {
    const auto row = static_cast<uint64_t>(rows[i]);
    if (i + kAhead < count) {
      const auto ahead = static_cast<uint64_t>(rows[i + kAhead]);
      if (record_size > 0) __builtin_prefetch(&records[ahead * record_size]);
      if (order.data != nullptr) order.prefetch(ahead);
    }
    if (record_size > 0) {
      const std::byte* record = &records[row * record_size];
      std::copy_n(record, 8 * num_timestamps, reinterpret_cast<std::byte*>(out.timestamps.data() + i * num_timestamps));
      record += 8 * num_timestamps;
      std::copy_n(record, 4 * num_numerical, reinterpret_cast<std::byte*>(out.numerical.data() + i * num_numerical));
      record += 4 * num_numerical;
      for (size_t c = 0; c < num_categorical; ++c) {
        int32_t code;
        std::memcpy(&code, record + 4 * c, sizeof code);
        out.categorical[i * num_categorical + c] = code;
      }
    }
    out.position[i] = order.data == nullptr ? rows[i] : static_cast<int64_t>(order[row]);
  }
  for (size_t i = 0; i < out.time.size(); ++i) {
    if (i + 2 * kAhead < count) time.prefetch_block(static_cast<uint64_t>(rows[i + 2 * kAhead]));
    if (i + kAhead < count) time.prefetch(static_cast<uint64_t>(rows[i + kAhead]));
    out.time[i] = time[static_cast<uint64_t>(rows[i])];
  }
  return out;
}

}  // namespace relhop
