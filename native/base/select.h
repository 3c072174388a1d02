// Choices without a branch, for conditions that no branch predictor can learn: compilers make branches of `?:`.
#pragma once

#include <concepts>

namespace relhop {

template <std::unsigned_integral T>
constexpr T only_if(bool condition, T value) {
  return value & (T{0} - static_cast<T>(condition));
}

template <std::unsigned_integral T>
constexpr T select(bool condition, T if_so, T if_not) {
  return if_not ^ only_if(condition, static_cast<T>(if_so ^ if_not));
}

}  // namespace relhop
