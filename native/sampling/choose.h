// Which k of n neighbors: positions in a time-ordered list, 0 the oldest and n - 1 the newest, chosen ascending.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "sampling/node_table.h"

namespace relhop {

enum class Strategy : uint8_t {
  // One neighbor from each of k strata of ranks, the newest rank being 0; stratum i is the ranks [b(i), b(i + 1)) with
  // b(i) = i + floor((n - k) i^3 / k^3). A rank of a stratum of width w is drawn with probability 1 / w exactly: the
  // newest are nearly sure, and far from the end the chance falls as rank^(-2/3).
  recency = 0,
  // The k newest.
  last = 1,
  // Every k-subset alike (Floyd's algorithm: Bentley and Floyd, CACM 1987); or k independent draws, with replacement.
  uniform = 2,
  // One after another with chances in proportion to the weights, without those that were drawn before; or k independent
  // draws, with replacement. Neighbors of weight 0 are never drawn.
  weighted = 3,
  // Every k-subset alike, as with uniform, but all lists agree on whom they prefer: the k neighbors whose own random
  // numbers are the smallest. So that lists which share neighbors choose the same ones (LABOR: Balin and Çatalyürek,
  // NeurIPS 2023, in its sequential Poisson form).
  labor = 4,
};

// Draws positions; keeps scratch memory between calls, so one a thread. Every call writes at most k positions to `out`
// and returns how many.
class Chooser {
 public:
  // 1 <= k < n.
  void recency(uint64_t n, uint64_t k, Stream stream, uint64_t* out);
  void uniform(uint64_t n, uint64_t k, Stream stream, uint64_t* out);
  // n >= 1, k >= 1.
  static void uniform_repeated(uint64_t n, uint64_t k, Stream stream, uint64_t* out);
  // `sums`: the weights of the neighbors, added up; `before`: what the sum was in front of the first one.
  uint64_t weighted(std::span<const double> sums, double before, uint64_t k, Stream stream, uint64_t* out);
  static uint64_t weighted_repeated(std::span<const double> sums, double before, uint64_t k, Stream stream,
                                    uint64_t* out);
  // What part of the total the next draw by weight is at: in [0, 1), a multiple of 2^-53.
  static double fraction(Stream& stream) { return static_cast<double>(stream.next() >> 11) * 0x1p-53; }
  // The k smallest of `ranks`, 1 <= k < n.
  void smallest(std::span<const uint64_t> ranks, uint64_t k, uint64_t* out);

 private:
  // Of one k: cubes i^3, and what divides by k^3 without a division.
  struct Strata {
    std::vector<uint64_t> cubes;  // [k + 1]
    uint64_t reciprocal = 0;
    uint64_t begin(uint64_t spread, uint64_t i) const;
  };
  const Strata& strata(uint64_t k);

  std::vector<std::unique_ptr<Strata>> strata_;  // by k
  HashTable<uint64_t> taken_;
  std::vector<std::pair<uint64_t, uint64_t>> ranked_;
};

}  // namespace relhop
