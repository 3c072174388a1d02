// Sorts by some bits of a key, keeping the order of equals.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace relhop {

// Ascending by key(item), of `bits` bits; least significant digit first. `room`: of the same type, its content is lost.
template <class Items, class Key>
void radix_sort(Items& items, Items& room, unsigned bits, Key key) {
  constexpr unsigned kWidest = 11;
  if (bits == 0 ||
      std::is_sorted(items.begin(), items.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); }))
    return;
  // No more values of a digit than items: counting them would cost more than another pass.
  const unsigned widest = std::min(kWidest, static_cast<unsigned>(std::bit_width(items.size())));
  const unsigned passes = (bits + widest - 1) / widest, width = (bits + passes - 1) / passes;
  room.resize(items.size());
  for (unsigned pass = 0; pass < passes; ++pass) {
    const auto digit = [&](const auto& item) { return key(item) >> pass * width & ((uint64_t{1} << width) - 1); };
    std::array<size_t, size_t{1} << kWidest> begin;
    std::fill_n(begin.begin(), size_t{1} << width, size_t{0});
    for (const auto& item : items) ++begin[digit(item)];
    size_t sum = 0;
    for (size_t i = 0; i < size_t{1} << width; ++i) sum += std::exchange(begin[i], sum);
    for (const auto& item : items) room[begin[digit(item)]++] = item;
    std::swap(items, room);
  }
}

}  // namespace relhop
