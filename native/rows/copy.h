// Rows on their way into the arrays of a batch.
#pragma once

#include <cstddef>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace relhop {

inline constexpr size_t kLine = 64;

// An array from so many bytes on leaves the caches before its consumer reads it.
inline constexpr size_t kBeyondCaches = size_t{16} << 20;

#if defined(__SSE2__)

// Copies whole lines, to the beginning of one, past the caches: what was there need not be fetched to be written over,
// which is a third of all that a copy moves. Others see the copy after order_copies.
inline void copy_past_caches(std::byte* to, const std::byte* from, size_t bytes) {
  for (size_t byte = 0; byte < bytes; byte += kLine) {
    const auto* const source = reinterpret_cast<const __m128i*>(from + byte);
    auto* const target = reinterpret_cast<__m128i*>(to + byte);
    const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
}
inline void order_copies() { _mm_sfence(); }

#else

inline void copy_past_caches(std::byte* to, const std::byte* from, size_t bytes) { std::memcpy(to, from, bytes); }
inline void order_copies() {}

#endif

}  // namespace relhop
