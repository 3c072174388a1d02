// Sorts by some bits of a key, keeping the order of equals.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/buffer.h"

namespace relhop {

// By bits [shift, shift + bits) of `key`; least significant digit first.
template <class T>
void radix_sort(Buffer<T>& items, unsigned shift, unsigned bits) {
  constexpr unsigned kWidest = 11;
  if (bits == 0 || items.size() < 2) return;
  const unsigned passes = (bits + kWidest - 1) / kWidest, width = (bits + passes - 1) / passes;
  const auto digit = [&](const T& item, unsigned pass) {
    return item.key >> (shift + pass * width) & ((uint64_t{1} << width) - 1);
  };
  Buffer<T> other(items.size());
  for (unsigned pass = 0; pass < passes; ++pass) {
    std::array<size_t, size_t{1} << kWidest> begin{};
    for (const T& item : items) ++begin[digit(item, pass)];
    size_t sum = 0;
    for (size_t& b : begin) sum += std::exchange(b, sum);
    for (const T& item : items) other[begin[digit(item, pass)]++] = item;
    std::swap(items, other);
  }
}

}  // namespace relhop
