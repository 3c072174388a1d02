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

void RowNumbers::take(std::span<const int64_t> wanted, int64_t* out) const {
  if (on_disk != nullptr) {
    const std::vector<uint64_t> places(wanted.begin(), wanted.end());
    std::vector<uint64_t> values;
    on_disk->gather(places, values);
    std::ranges::copy(values, out);
    return;
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (i + kAheadPacked < wanted.size()) rows.prefetch(static_cast<uint64_t>(wanted[i + kAheadPacked]));
    out[i] = static_cast<int64_t>(rows[static_cast<uint64_t>(wanted[i])]);
  }
}

void FeatureTable::check() const {
  layout.check(name);
  if (disk == nullptr && records.size() != num_rows * layout.size)
    throw CorruptStore("table " + name + ": rows.bin holds " + std::to_string(records.size()) + " bytes, expected " +
                       std::to_string(num_rows * layout.size));
  if (timed && time.size() != num_rows) throw CorruptStore("table " + name + ": time.bin does not hold a time a row");
  if (order.are_there() && order.rows.size != num_rows)
    throw CorruptStore("table " + name + ": order.bin does not hold a position a row");
  if (slots.are_there() && slots.rows.size != num_rows)
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

std::span<const int64_t> FeatureTable::records_of(std::span<const int64_t> rows, Buffer<int64_t>& room) const {
  if (!slots.are_there()) return rows;
  room.resize(rows.size());
  slots.take(rows, room.data());
  for (size_t i = 0; i < rows.size(); ++i)
    if (static_cast<uint64_t>(room[i]) >= num_rows)
      throw CorruptStore("table " + name + ": slots.bin leads row " + std::to_string(rows[i]) + " to record " +
                         std::to_string(room[i]) + " of " + std::to_string(num_rows));
  return {room.data(), room.size()};
}

FeatureRows FeatureTable::gather(std::span<const int64_t> rows, unsigned num_threads) const {
  check_rows(rows);
  return gather_checked(rows, num_threads);
}

FeatureRows FeatureTable::gather_checked(std::span<const int64_t> rows, unsigned num_threads) const {
  FeatureRows out = make_room(rows.size());
  gather_in_memory(rows, out, num_threads);
  FeatureRows* const outs[] = {&out};
  read_places({&rows, 1}, outs);
  Buffer<int64_t> room;
  if (disk != nullptr) disk->gather(records_of(rows, room), out, num_threads);
  return out;
}

void FeatureTable::gather_in_memory(std::span<const int64_t> rows, FeatureRows& out, unsigned num_threads) const {
  const size_t bytes = rows.size() * (layout.size + 16);
  const size_t slices = std::clamp<size_t>(bytes / kWorthAThread, 1, std::max(num_threads, 1U));
  in_parallel(slices, [&](size_t i) {
    const size_t begin = rows.size() * i / slices, end = rows.size() * (i + 1) / slices;
    gather_slice(rows.subspan(begin, end - begin), begin, out);
  });
}

void FeatureTable::gather_slice(std::span<const int64_t> rows, size_t begin, FeatureRows& out) const {
  if (!records.empty()) {
    Buffer<int64_t> room;
    const std::span<const int64_t> of = records_of(rows, room);
    const auto record = [&](size_t i) { return records.data() + static_cast<uint64_t>(of[i]) * layout.size; };
    for (size_t i = 0; i < of.size(); ++i) {
      if (i + kAhead < of.size()) layout.prefetch(record(i + kAhead));
      layout.decode(record(i), begin + i, out);
    }
    order_copies();
  }
  if (layout.is_raw) return;
  if (!order.are_there())
    std::ranges::copy(rows, out.position.data() + begin);
  else if (order.on_disk == nullptr)
    order.take(rows, out.position.data() + begin);
  if (timed && !time.is_on_disk()) time.take(rows, out.time.data() + begin);
}

void FeatureTable::read_places(std::span<const std::span<const int64_t>> rows,
                               std::span<FeatureRows* const> out) const {
  const bool reads_times = timed && time.is_on_disk();
  if (layout.is_raw || (order.on_disk == nullptr && !reads_times)) return;
  Buffer<int64_t> all, found;
  for (const std::span<const int64_t> of_batch : rows)
    for (const int64_t row : of_batch) all.push_back(row);
  const std::span<const int64_t> wanted(all.data(), all.size());
  found.resize(all.size());
  const auto give = [&](Buffer<int64_t> FeatureRows::* column) {
    const int64_t* from = found.data();
    for (size_t i = 0; i < rows.size(); from += rows[i++].size())
      std::copy_n(from, rows[i].size(), (out[i]->*column).data());
  };
  if (order.on_disk != nullptr) {
    order.take(wanted, found.data());
    give(&FeatureRows::position);
  }
  if (reads_times) {
    time.take(wanted, found.data());
    give(&FeatureRows::time);
  }
}

}  // namespace relhop
