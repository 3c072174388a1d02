// The input of a build of lists: who is connected to whom, as it lies in memory or in mapped files.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "packed/packed.h"

namespace relhop {

// Numbers of one type at equal distances: an array, or a column of one.
template <class T>
struct Strided {
  const uint8_t* data = nullptr;
  uint64_t size = 0;
  int64_t stride = sizeof(T);  // bytes

  T operator[](uint64_t i) const {
    T value;
    std::memcpy(&value, data + static_cast<int64_t>(i) * stride, sizeof value);
    return value;
  }
};

// In each of them the value of all ones (-1 where there are signs) stands for "no row".
using RowColumn = std::variant<PackedRows, Strided<int32_t>, Strided<int64_t>, Strided<uint32_t>, Strided<uint64_t>>;
using WeightColumn = std::variant<Strided<float>, Strided<double>>;

constexpr uint64_t kNoRow = UINT64_MAX;

// Edges that end in a list: `targets` says in whose, `sources` what is listed. An edge without one of them is none.
struct Edges {
  RowColumn targets;
  std::optional<RowColumn> sources;  // absent: the source of edge i is row i
  std::optional<WeightColumn> weights;
  uint64_t num_targets = 0, num_sources = 0;

  uint64_t size() const;
  // Throws std::invalid_argument where columns differ in size, or sources that are absent are beyond their table.
  void check() const;
  // Values of the edges begin, begin + 1, ... Throws std::invalid_argument, which names the edge, at a row beyond its
  // table, or a weight that is negative or not finite.
  void read_targets(uint64_t begin, std::span<uint64_t> rows) const;
  void read_sources(uint64_t begin, std::span<uint64_t> rows) const;
  // The bits of each weight as a double.
  void read_weights(uint64_t begin, std::span<uint64_t> bits) const;
};

}  // namespace relhop
