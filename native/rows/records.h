// One record -> its place in the columns.
//
// A record holds int64 timestamps, then numbers of one kind (compact.h), then, at a multiple of 4, int32 category
// codes; or it is raw: bytes that are given as they are, such as a row of a tensor (docs/format.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/buffer.h"
#include "base/error.h"
#include "rows/compact.h"
#include "rows/copy.h"

namespace relhop {

struct FeatureRows {
  size_t count = 0;
  Buffer<std::byte> raw;        // [rows, record size], of raw records; nothing else is there then
  Buffer<int64_t> timestamps;   // [rows, num_timestamps]
  Buffer<float> numerical;      // [rows, num_numerical]
  Buffer<int64_t> categorical;  // [rows, num_categorical]
  Buffer<int64_t> time;         // [rows], empty where the table has no time column
  Buffer<int64_t> position;     // [rows]: the place of the row in the user's input
  bool past_caches = false;     // whether what is copied as it is goes past the caches: whoever decodes orders copies
};

struct RecordLayout {
  size_t size = 0;
  size_t num_timestamps = 0, num_numerical = 0, num_categorical = 0;
  Numbers numbers;
  bool is_raw = false;

  // Throws CorruptStore where the fields do not fit into the record.
  void check(const std::string& table) const {
    const size_t used = num_categorical == 0 ? numbers_end() : codes_begin() + 4 * num_categorical;
    if (numbers.kind == NumberKind::int8 &&
        (numbers.scales.size() != num_numerical || numbers.zeros.size() != num_numerical))
      throw CorruptStore("table " + table + ": not a scale and a zero a number");
    if (used > size)
      throw CorruptStore("table " + table + ": fields of " + std::to_string(used) + " bytes in records of " +
                         std::to_string(size));
  }

  // Bytes that a row takes in the columns.
  size_t decoded_size() const { return is_raw ? size : 8 * num_timestamps + 4 * num_numerical + 8 * num_categorical; }

  void make_room(size_t count, FeatureRows& out) const {
    out.count = count;
    out.raw.resize(is_raw ? count * size : 0);
    out.timestamps.resize(count * num_timestamps);
    out.numerical.resize(count * num_numerical);
    out.categorical.resize(count * num_categorical);
    const size_t copied = is_raw ? size : numbers.kind == NumberKind::float32 ? 4 * num_numerical : 0;
    out.past_caches = copied % kLine == 0 && count * copied >= kBeyondCaches;
  }

  // Writes row i of the columns.
  void decode(const std::byte* record, size_t i, FeatureRows& out) const {
    if (is_raw) {
      copy(record, size, out.raw.data() + i * size, out.past_caches);
      return;
    }
    if (num_timestamps != 0) std::memcpy(out.timestamps.data() + i * num_timestamps, record, 8 * num_timestamps);
    if (out.past_caches)
      copy_past_caches(reinterpret_cast<std::byte*>(out.numerical.data() + i * num_numerical),
                       record + 8 * num_timestamps, 4 * num_numerical);
    else if (num_numerical != 0)
      numbers.decode(record + 8 * num_timestamps, num_numerical, numbers.scales.data(), numbers.zeros.data(),
                     out.numerical.data() + i * num_numerical);
    const std::byte* codes = record + codes_begin();
    for (size_t c = 0; c < num_categorical; ++c) {
      int32_t code;
      std::memcpy(&code, codes + 4 * c, sizeof code);
      out.categorical[i * num_categorical + c] = code;
    }
  }

  // Asks for a record's memory.
  void prefetch(const std::byte* record) const {
    for (size_t byte = 0; byte < size && byte < kPrefetched; byte += 64) __builtin_prefetch(record + byte);
  }

 private:
  static void copy(const std::byte* from, size_t bytes, std::byte* to, bool past_caches) {
    past_caches ? copy_past_caches(to, from, bytes) : static_cast<void>(std::memcpy(to, from, bytes));
  }
  size_t numbers_end() const { return 8 * num_timestamps + bytes_of(numbers.kind) * num_numerical; }
  size_t codes_begin() const { return (numbers_end() + 3) / 4 * 4; }

  // Beyond so much the processor sees by itself where a copy leads.
  static constexpr size_t kPrefetched = 1024;
};

}  // namespace relhop
