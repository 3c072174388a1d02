#include "rows/features.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"

namespace relhop {

namespace {

// Records ahead of the one being copied whose cache lines are already asked for: enough to hide a miss to DRAM.
constexpr size_t kAhead = 16;

}  // namespace

void FeatureTable::check() const {
  layout.check(name);
  if (records.size() != num_rows * layout.size)
    throw CorruptStore("table " + name + ": rows.bin holds " + std::to_string(records.size()) + " bytes, expected " +
                       std::to_string(num_rows * layout.size));
  if (timed && time.size() != num_rows) throw CorruptStore("table " + name + ": time.bin does not hold a time a row");
  if (order.data != nullptr && order.size != num_rows)
    throw CorruptStore("table " + name + ": order.bin does not hold a position a row");
  if (slots.data != nullptr && slots.size != num_rows)
    throw CorruptStore("table " + name + ": slots.bin does not hold a record a row");
}

FeatureRows FeatureTable::gather(std::span<const int64_t> rows) const {
  const size_t count = rows.size();
  for (int64_t row : rows)
    if (row < 0 || static_cast<uint64_t>(row) >= num_rows)
      throw std::out_of_range("table " + name + " has " + std::to_string(num_rows) + " rows; there is no row " +
                              std::to_string(row));
  const auto record_of = [&](int64_t row) {
    const uint64_t record = slots.data == nullptr ? static_cast<uint64_t>(row) : slots[static_cast<uint64_t>(row)];
    if (record >= num_rows)
      throw CorruptStore("table " + name + ": slots.bin leads row " + std::to_string(row) + " to record " +
                         std::to_string(record) + " of " + std::to_string(num_rows));
    return &records[record * layout.size];
  };
  FeatureRows out;
  layout.make_room(count, out);
  out.time.resize(timed ? count : 0);
  out.position.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const auto row = static_cast<uint64_t>(rows[i]);
    if (slots.data != nullptr && i + 2 * kAhead < count) slots.prefetch(static_cast<uint64_t>(rows[i + 2 * kAhead]));
    if (i + kAhead < count) {
      if (layout.size > 0) layout.prefetch(record_of(rows[i + kAhead]));
      if (order.data != nullptr) order.prefetch(static_cast<uint64_t>(rows[i + kAhead]));
    }
    if (layout.size > 0) layout.decode(record_of(rows[i]), i, out);
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
