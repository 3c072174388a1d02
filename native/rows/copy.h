// Rows on their way into the arrays of a batch.
#pragma once

#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace relhop {

inline constexpr size_t kLine = 64;

// An array from so many bytes on leaves the caches before its consumer reads it.
inline constexpr size_t kBeyondCaches = size_t{16} << 20;

#if defined(__x86_64__)

// Copies whole lines, to the beginning of one, past the caches: what was there need not be fetched to be written over,
// which is a third of all that a copy moves. Others see the copy after order_copies. Two stores a line: four of half
// their width take a fifth longer.
__attribute__((target("avx"))) inline void stream_lines(std::byte* to, const std::byte* from, size_t bytes) {
  for (size_t byte = 0; byte < bytes; byte += kLine) {
    const auto* const source = reinterpret_cast<const __m256i*>(from + byte);
    auto* const target = reinterpret_cast<__m256i*>(to + byte);
    const __m256i a = _mm256_loadu_si256(source), b = _mm256_loadu_si256(source + 1);
    _mm256_stream_si256(target, a);
    _mm256_stream_si256(target + 1, b);
  }
}
inline const bool streams_lines = __builtin_cpu_supports("avx");
inline void copy_past_caches(std::byte* to, const std::byte* from, size_t bytes) {
  streams_lines ? stream_lines(to, from, bytes) : static_cast<void>(std::memcpy(to, from, bytes));
}
inline void order_copies() { _mm_sfence(); }

#else

inline void copy_past_caches(std::byte* to, const std::byte* from, size_t bytes) { std::memcpy(to, from, bytes); }
inline void order_copies() {}

#endif

}  // namespace relhop
