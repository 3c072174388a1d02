// Numbers as a record keeps them (docs/format.md, "Records") -> float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace relhop {

enum class NumberKind : uint8_t { float32, float16, bfloat16, int8 };

constexpr size_t bytes_of(NumberKind kind) {
  return kind == NumberKind::float32 ? 4 : kind == NumberKind::int8 ? 1 : 2;
}

// Decodes `count` numbers. Of int8, code c of number i stands for zeros[i] + scales[i] * c, and -128 for null (NaN);
// other kinds do not look at scales and zeros. Nothing needs to be aligned.
using DecodeNumbers = void (*)(const std::byte* codes, size_t count, const float* scales, const float* zeros,
                               float* numbers);

// The fastest way that this processor has; `portable` keeps from instructions that only some have. Same bits.
DecodeNumbers decoder_of(NumberKind kind, bool portable = false);

// How a table keeps its numbers.
struct Numbers {
  NumberKind kind = NumberKind::float32;
  std::vector<float> scales, zeros;  // of each; only int8 has them
  DecodeNumbers decode = decoder_of(kind);
};

}  // namespace relhop
