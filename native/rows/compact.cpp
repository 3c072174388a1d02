#include "rows/compact.h"

#include <bit>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace relhop {
namespace {

constexpr int8_t kNullCode = -128;

uint16_t load_half(const std::byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

float from_float16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, exponent = (half >> 10) & 0x1F;
  const uint32_t fraction = half & 0x3FF;
  if (exponent == 0x1F) {
    const uint32_t quiet = fraction != 0 ? 0x400000u : 0;
    return std::bit_cast<float>(sign | 0x7F800000u | quiet | fraction << 13);
  }
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

float from_int8(int8_t code, float scale, float zero) {
  return code == kNullCode ? std::numeric_limits<float>::quiet_NaN() : zero + scale * static_cast<float>(code);
}

void float32s(const std::byte* codes, size_t count, const float*, const float*, float* numbers) {
  if (count != 0) std::memcpy(numbers, codes, count * sizeof(float));
}

void float16s(const std::byte* codes, size_t count, const float*, const float*, float* numbers) {
  for (size_t i = 0; i < count; ++i) numbers[i] = from_float16(load_half(codes + 2 * i));
}

void bfloat16s(const std::byte* codes, size_t count, const float*, const float*, float* numbers) {
  for (size_t i = 0; i < count; ++i)
    numbers[i] = std::bit_cast<float>(static_cast<uint32_t>(load_half(codes + 2 * i)) << 16);
}

void int8s(const std::byte* codes, size_t count, const float* scales, const float* zeros, float* numbers) {
  for (size_t i = 0; i < count; ++i) numbers[i] = from_int8(static_cast<int8_t>(codes[i]), scales[i], zeros[i]);
}

#if defined(__x86_64__)

__attribute__((target("avx2,f16c"))) void float16s_of_8(const std::byte* codes, size_t count, const float* scales,
                                                        const float* zeros, float* numbers) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(numbers + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 2 * i))));
  float16s(codes + 2 * i, count - i, scales, zeros, numbers + i);
}

__attribute__((target("avx2"))) void bfloat16s_of_8(const std::byte* codes, size_t count, const float* scales,
                                                    const float* zeros, float* numbers) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 2 * i)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(numbers + i), _mm256_slli_epi32(bits, 16));
  }
  bfloat16s(codes + 2 * i, count - i, scales, zeros, numbers + i);
}

__attribute__((target("avx2"))) void int8s_of_8(const std::byte* codes, size_t count, const float* scales,
                                                const float* zeros, float* numbers) {
  const __m256i null_code = _mm256_set1_epi32(kNullCode);
  const __m256 null = _mm256_set1_ps(std::numeric_limits<float>::quiet_NaN());
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i code = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i)));
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(scales + i), _mm256_cvtepi32_ps(code));
    const __m256 number = _mm256_add_ps(_mm256_loadu_ps(zeros + i), scaled);
    const __m256 is_null = _mm256_castsi256_ps(_mm256_cmpeq_epi32(code, null_code));
    _mm256_storeu_ps(numbers + i, _mm256_blendv_ps(number, null, is_null));
  }
  int8s(codes + i, count - i, scales + i, zeros + i, numbers + i);
}

bool has_instructions() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c"); }

#else

constexpr DecodeNumbers float16s_of_8 = float16s, bfloat16s_of_8 = bfloat16s, int8s_of_8 = int8s;
bool has_instructions() { return false; }

#endif

}  // namespace

DecodeNumbers decoder_of(NumberKind kind, bool portable) {
  const bool fast = !portable && has_instructions();
  switch (kind) {
    case NumberKind::float16:
      return fast ? float16s_of_8 : float16s;
    case NumberKind::bfloat16:
      return fast ? bfloat16s_of_8 : bfloat16s;
    case NumberKind::int8:
      return fast ? int8s_of_8 : int8s;
    default:
      return float32s;
  }
}

}  // namespace relhop
