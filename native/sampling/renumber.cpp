#include "sampling/renumber.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace relhop {

namespace {

using Numbers = std::span<const int64_t>;

void one_by_one(Numbers numbers, Numbers begins, Numbers shifts, int64_t* out) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    size_t run = begins.size() - 1;
    while (numbers[i] < begins[run]) --run;
    out[i] = numbers[i] + shifts[run];
  }
}

#if defined(__x86_64__)

// A number's shift is the first one and the steps at all later begins that it has reached: no branch.
__attribute__((target("avx2"))) void eight_at_once(Numbers numbers, Numbers begins, Numbers shifts, int64_t* out) {
  const __m256i first_shift = _mm256_set1_epi64x(shifts[0]);
  size_t i = 0;
  for (; i + 8 <= numbers.size(); i += 8) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers.data() + i));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers.data() + i + 4));
    __m256i shifted_a = _mm256_add_epi64(a, first_shift), shifted_b = _mm256_add_epi64(b, first_shift);
    for (size_t run = 1; run < begins.size(); ++run) {
      const __m256i begin = _mm256_set1_epi64x(begins[run] - 1);
      const __m256i step = _mm256_set1_epi64x(shifts[run] - shifts[run - 1]);
      shifted_a = _mm256_add_epi64(shifted_a, _mm256_and_si256(_mm256_cmpgt_epi64(a, begin), step));
      shifted_b = _mm256_add_epi64(shifted_b, _mm256_and_si256(_mm256_cmpgt_epi64(b, begin), step));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), shifted_a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i + 4), shifted_b);
  }
  one_by_one(numbers.subspan(i), begins, shifts, out + i);
}

const auto fastest = __builtin_cpu_supports("avx2") ? eight_at_once : one_by_one;

#else

constexpr auto fastest = one_by_one;

#endif

}  // namespace

void renumber(Numbers numbers, Numbers begins, Numbers shifts, int64_t* out) { fastest(numbers, begins, shifts, out); }

}  // namespace relhop
