#include "sampling/choose.h"

#include <algorithm>
#include <bit>

namespace relhop {

namespace {

__extension__ using Wide = unsigned __int128;

uint64_t high_half(uint64_t a, uint64_t b) { return static_cast<uint64_t>(static_cast<Wide>(a) * b >> 64); }

// Floyd's algorithm on a set of bits; the set gives the positions back in order.
void uniform_of_64(uint64_t n, uint64_t k, Stream& stream, uint64_t* out) {
  uint64_t chosen = 0;
  for (uint64_t j = n - k; j < n; ++j) {
    const uint64_t position = stream.drawn(j + 1), repeated = chosen >> position & 1;
    chosen |= uint64_t{1} << position | repeated << j;
  }
  for (; chosen != 0; chosen &= chosen - 1) *out++ = static_cast<uint64_t>(std::countr_zero(chosen));
}

constexpr uint32_t kFew = 32;
constexpr uint64_t kMostKept = 1024;  // k up to this have their strata kept

// Sorts k <= 32 different numbers by counting for each how many are smaller: no branch depends on them.
void sort_few(const uint32_t* values, uint32_t k, uint64_t* out) {
  for (uint32_t i = 0; i < k; ++i) {
    uint32_t smaller = 0;
    for (uint32_t j = 0; j < k; ++j) smaller += values[j] < values[i];
    out[smaller] = values[i];
  }
}

// The same loops of constant length, for compilers to make vectors of them: k <= kRoom numbers below 2^31. Says whether
// they are different; else `out` is not what was asked for.
template <uint32_t kRoom>
bool sort_if_different(const int32_t* values, uint32_t k, uint64_t* out) {
  int32_t places[kRoom] = {};
  for (uint32_t i = 0; i < k; ++i)
    for (uint32_t j = 0; j < kRoom; ++j) places[j] += values[i] < values[j];
  uint64_t taken = 0;
  for (uint32_t i = 0; i < k; ++i) {
    out[places[i]] = static_cast<uint64_t>(values[i]);
    taken |= uint64_t{1} << places[i];
  }
  return taken == (uint64_t{1} << k) - 1;
}

// Floyd's algorithm, k <= 32: a position that was drawn before stands for the newest that could be drawn.
void uniform_few(uint64_t n, uint32_t k, Stream& stream, uint64_t* out) {
  uint32_t chosen[kFew];
  for (uint32_t i = 0; i < k; ++i) {
    const uint64_t newest = n - k + i;
    const auto position = static_cast<uint32_t>(stream.drawn(newest + 1));
    uint32_t repeated = 0;
    for (uint32_t j = 0; j < i; ++j) repeated |= chosen[j] == position;
    chosen[i] = repeated != 0 ? static_cast<uint32_t>(newest) : position;
  }
  sort_few(chosen, k, out);
}

// The same, k <= kRoom and n < 2^31, where repeats are rare: positions are looked at one by one only if two are equal.
template <uint32_t kRoom>
void uniform_few_of_many(uint64_t n, uint32_t k, Stream stream, uint64_t* out) {
  int32_t positions[kRoom] = {};
  Stream again = stream;
  for (uint32_t i = 0; i < k; ++i) positions[i] = static_cast<int32_t>(stream.drawn(n - k + i + 1));
  if (!sort_if_different<kRoom>(positions, k, out)) uniform_few(n, k, again, out);
}

// The first position whose sum exceeds `target`, or the last one of positive weight below it where rounding lifted the
// target to the total.
uint64_t position_of(std::span<const double> sums, double target) {
  const auto above = std::upper_bound(sums.begin(), sums.end(), target);
  if (above != sums.end()) return static_cast<uint64_t>(above - sums.begin());
  return static_cast<uint64_t>(std::lower_bound(sums.begin(), sums.end(), sums.back()) - sums.begin());
}

// Where stratum i of k begins, for a k that is too large to keep anything of it: k < 2^31, spread < 2^35.
uint64_t begin_of_stratum(uint64_t spread, uint64_t k, uint64_t i) {
  const auto cube = [](uint64_t x) { return static_cast<Wide>(x) * x * x; };
  return i + static_cast<uint64_t>(spread * cube(i) / cube(k));
}

}  // namespace

uint64_t Chooser::Strata::begin(uint64_t spread, uint64_t i) const {
  const uint64_t k = cubes.size() - 1, divisor = cubes[k];
  const Wide product = static_cast<Wide>(spread) * cubes[i];
  if (product >> 64 != 0) return i + static_cast<uint64_t>(product / divisor);
  const auto dividend = static_cast<uint64_t>(product);
  uint64_t quotient = high_half(dividend, reciprocal);  // at most two too small
  uint64_t rest = dividend - quotient * divisor;
  for (int twice = 0; twice < 2; ++twice)
    if (rest >= divisor) {
      ++quotient;
      rest -= divisor;
    }
  return i + quotient;
}

const Chooser::Strata& Chooser::strata(uint64_t k) {
  if (strata_.size() <= k) strata_.resize(k + 1);
  if (!strata_[k]) {
    strata_[k] = std::make_unique<Strata>();
    for (uint64_t i = 0; i <= k; ++i) strata_[k]->cubes.push_back(i * i * i);
    strata_[k]->reciprocal = UINT64_MAX / strata_[k]->cubes[k];
  }
  return *strata_[k];
}

void Chooser::recency(uint64_t n, uint64_t k, Stream stream, uint64_t* out) {
  const Strata* const kept = k <= kMostKept ? &strata(k) : nullptr;
  uint64_t end = n;
  for (uint64_t i = k; i-- > 0;) {
    const uint64_t begin = kept != nullptr ? kept->begin(n - k, i) : begin_of_stratum(n - k, k, i);
    *out++ = n - 1 - (begin + stream.below(end - begin));
    end = begin;
  }
}

void Chooser::uniform(uint64_t n, uint64_t k, Stream stream, uint64_t* out) {
  if (n <= 64) return uniform_of_64(n, k, stream, out);
  if (k <= kFew && n <= UINT32_MAX) {
    const auto few = static_cast<uint32_t>(k);
    const bool repeats_are_rare = k * k < n / 4 && n <= INT32_MAX;
    if (repeats_are_rare && k <= 4) return uniform_few_of_many<4>(n, few, stream, out);
    if (repeats_are_rare && k <= 8) return uniform_few_of_many<8>(n, few, stream, out);
    if (repeats_are_rare && k <= 16) return uniform_few_of_many<16>(n, few, stream, out);
    return uniform_few(n, few, stream, out);
  }
  taken_.clear(1);
  taken_.reserve(k);
  const auto taken = taken_.view();
  uint64_t* chosen = out;
  for (uint64_t j = n - k; j < n; ++j) {
    uint64_t position = stream.drawn(j + 1);
    if (taken.find(position) != kAbsent) position = j;
    taken.insert(position, 0);
    *chosen++ = position;
  }
  std::sort(out, chosen);
}

void Chooser::uniform_repeated(uint64_t n, uint64_t k, Stream stream, uint64_t* out) {
  for (uint64_t i = 0; i < k; ++i) out[i] = stream.below(n);
  std::sort(out, out + k);
}

uint64_t Chooser::weighted(std::span<const double> sums, double before, uint64_t k, Stream stream, uint64_t* out) {
  double total = sums.back() - before;
  uint64_t found = 0;
  auto weight = [&](uint64_t i) { return sums[i] - (i == 0 ? before : sums[i - 1]); };
  if (k >= sums.size()) {
    for (uint64_t i = 0; i < sums.size(); ++i)
      if (weight(i) > 0) out[found++] = i;
    return found;
  }
  taken_.clear(1);
  taken_.reserve(k);
  const auto taken = taken_.view();
  auto is_taken = [&](uint64_t i) {
    return k <= kFew ? std::find(out, out + found, i) != out + found : taken.find(i) != kAbsent;
  };
  auto take = [&](uint64_t i) {
    if (k > kFew) taken.insert(i, 0);
    out[found++] = i;
  };
  // Draws that repeat are passed over, which leaves the chances of the others in proportion.
  for (uint64_t tries = 4 * k + 16; total > 0 && found < k && tries > 0; --tries) {
    const uint64_t position = position_of(sums, before + fraction(stream) * total);
    if (!is_taken(position)) take(position);
  }
  // Where a few neighbors hold nearly all weight, repeats would go on: draw from what is left, one scan a neighbor.
  while (found < k) {
    total = 0;
    for (uint64_t i = 0; i < sums.size(); ++i)
      if (!is_taken(i)) total += weight(i);
    if (!(total > 0)) break;
    double target = fraction(stream) * total;
    uint64_t position = sums.size();
    for (uint64_t i = 0; i < sums.size() && target >= 0; ++i)
      if (weight(i) > 0 && !is_taken(i)) {
        target -= weight(i);
        position = i;
      }
    take(position);
  }
  std::sort(out, out + found);
  return found;
}

uint64_t Chooser::weighted_repeated(std::span<const double> sums, double before, uint64_t k, Stream stream,
                                    uint64_t* out) {
  const double total = sums.back() - before;
  if (!(total > 0)) return 0;
  for (uint64_t i = 0; i < k; ++i) out[i] = position_of(sums, before + fraction(stream) * total);
  std::sort(out, out + k);
  return k;
}

void Chooser::smallest(std::span<const uint64_t> ranks, uint64_t k, uint64_t* out) {
  ranked_.clear();
  // Few of the ranks, which are uniform, lie below twice the expected k-th smallest and some more.
  const uint64_t n = ranks.size();
  const uint64_t share = (2 * k + 16) >= n ? UINT64_MAX : UINT64_MAX / n * (2 * k + 16);
  for (uint64_t i = 0; i < n; ++i)
    if (ranks[i] <= share) ranked_.emplace_back(ranks[i], i);
  if (ranked_.size() < k) {
    ranked_.clear();
    for (uint64_t i = 0; i < n; ++i) ranked_.emplace_back(ranks[i], i);
  }
  std::nth_element(ranked_.begin(), ranked_.begin() + static_cast<std::ptrdiff_t>(k - 1), ranked_.end());
  for (uint64_t i = 0; i < k; ++i) out[i] = ranked_[i].second;
  std::sort(out, out + k);
}

}  // namespace relhop
