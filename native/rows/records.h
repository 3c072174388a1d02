// One record -> its place in the columns.
//
// A record holds int64 timestamps, then float32 numbers, then int32 category codes (docs/format.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/buffer.h"
#include "base/error.h"

namespace relhop {

struct FeatureRows {
  Buffer<int64_t> timestamps;   // [rows, num_timestamps]
  Buffer<float> numerical;      // [rows, num_numerical]
  Buffer<int64_t> categorical;  // [rows, num_categorical]
  Buffer<int64_t> time;         // [rows], empty where the table has no time column
  Buffer<int64_t> position;     // [rows]: the place of the row in the user's input
};

struct RecordLayout {
  size_t size = 0;
  size_t num_timestamps = 0, num_numerical = 0, num_categorical = 0;

  // Throws CorruptStore where the fields do not fit into the record.
  void check(const std::string& table) const {
    const size_t used = 8 * num_timestamps + 4 * num_numerical + 4 * num_categorical;
    if (used > size)
      throw CorruptStore("table " + table + ": fields of " + std::to_string(used) + " bytes in records of " +
                         std::to_string(size));
  }

  // Bytes that a row takes in the columns.
  size_t decoded_size() const { return 8 * num_timestamps + 4 * num_numerical + 8 * num_categorical; }

  void make_room(size_t count, FeatureRows& out) const {
    out.timestamps.resize(count * num_timestamps);
    out.numerical.resize(count * num_numerical);
    out.categorical.resize(count * num_categorical);
  }

  // Writes row i of the columns.
  void decode(const std::byte* record, size_t i, FeatureRows& out) const {
    if (num_timestamps != 0) {
      std::memcpy(out.timestamps.data() + i * num_timestamps, record, 8 * num_timestamps);
      record += 8 * num_timestamps;
    }
    if (num_numerical != 0) {
      std::memcpy(out.numerical.data() + i * num_numerical, record, 4 * num_numerical);
      record += 4 * num_numerical;
    }
    for (size_t c = 0; c < num_categorical; ++c) {
      int32_t code;
      std::memcpy(&code, record + 4 * c, sizeof code);
      out.categorical[i * num_categorical + c] = code;
    }
  }

  // Asks for a record's memory.
  void prefetch(const std::byte* record) const {
    for (size_t byte = 0; byte < size && byte < kPrefetched; byte += 64) __builtin_prefetch(record + byte);
  }

 private:
  // Beyond so much the processor sees by itself where a copy leads.
  static constexpr size_t kPrefetched = 1024;
};

}  // namespace relhop
