#include "build/edges.h"

#include <bit>
#include <cmath>
#include <stdexcept>
#include <type_traits>

namespace relhop {
namespace {

uint64_t size_of(const auto& column) {
  return std::visit([](const auto& values) { return values.size; }, column);
}

template <class T>
uint64_t row_at(const Strided<T>& values, uint64_t i) {
  const T value = values[i];
  if constexpr (std::is_signed_v<T>) return static_cast<uint64_t>(static_cast<int64_t>(value));
  return value == static_cast<T>(-1) ? kNoRow : static_cast<uint64_t>(value);
}

uint64_t row_at(const PackedRows& values, uint64_t i) {
  const uint64_t row = values[i];
  return row == values.none() ? kNoRow : row;
}

void read_rows(const RowColumn& column, const char* name, uint64_t num_rows, uint64_t begin, std::span<uint64_t> rows) {
  std::visit(
      [&](const auto& values) {
        for (uint64_t i = 0; i < rows.size(); ++i) rows[i] = row_at(values, begin + i);
      },
      column);
  uint64_t wrong = 0;
  for (const uint64_t row : rows) wrong += row >= num_rows && row != kNoRow;
  for (uint64_t i = 0; wrong > 0; ++i) {
    if (rows[i] < num_rows || rows[i] == kNoRow) continue;
    const bool negative = rows[i] >> 63 != 0 && !std::holds_alternative<Strided<uint64_t>>(column);
    throw std::invalid_argument("edge " + std::to_string(begin + i) + ": its " + name + " " +
                                (negative ? std::to_string(static_cast<int64_t>(rows[i])) : std::to_string(rows[i])) +
                                " is not a row of its table, which has " + std::to_string(num_rows));
  }
}

}  // namespace

uint64_t Edges::size() const { return size_of(targets); }

void Edges::check() const {
  const auto check_size = [&](const char* name, uint64_t found) {
    if (found != size())
      throw std::invalid_argument(std::to_string(found) + " " + name + " for " + std::to_string(size()) + " targets");
  };
  if (sources) check_size("sources", size_of(*sources));
  if (weights) check_size("weights", size_of(*weights));
  if (!sources && size() > num_sources)
    throw std::invalid_argument(std::to_string(size()) + " targets for a table of " + std::to_string(num_sources) +
                                " sources");
}

void Edges::read_targets(uint64_t begin, std::span<uint64_t> rows) const {
  read_rows(targets, "target", num_targets, begin, rows);
}

void Edges::read_sources(uint64_t begin, std::span<uint64_t> rows) const {
  if (sources) return read_rows(*sources, "source", num_sources, begin, rows);
  for (uint64_t i = 0; i < rows.size(); ++i) rows[i] = begin + i;
}

void Edges::read_weights(uint64_t begin, std::span<uint64_t> bits) const {
  std::visit(
      [&](const auto& values) {
        for (uint64_t i = 0; i < bits.size(); ++i) {
          const double weight = values[begin + i];
          if (!std::isfinite(weight) || weight < 0)
            throw std::invalid_argument("edge " + std::to_string(begin + i) + ": its weight " + std::to_string(weight) +
                                        " is not a finite number of at least 0");
          bits[i] = std::bit_cast<uint64_t>(weight);
        }
      },
      *weights);
}

}  // namespace relhop
