#include "choose.h"

#include <algorithm>

namespace relhop {

namespace {

uint64_t stratum_begin(uint64_t n, uint64_t k, uint64_t i) {
  __extension__ using Wide = unsigned __int128;
  const Wide cube = static_cast<Wide>(i) * i * i;
  return i + static_cast<uint64_t>((n - k) * cube / (static_cast<Wide>(k) * k * k));
}

}  // namespace

const std::vector<uint64_t>& Chooser::choose(Strategy strategy, uint64_t n, uint64_t k, Stream stream) {
  chosen_.clear();
  switch (strategy) {
    case Strategy::recency:
      choose_recency(n, k, stream);
      break;
    case Strategy::last:
      for (uint64_t i = n - k; i < n; ++i) chosen_.push_back(i);
      break;
    case Strategy::uniform:
      choose_uniform(n, k, stream);
      break;
  }
  return chosen_;
}

void Chooser::choose_recency(uint64_t n, uint64_t k, Stream& stream) {
  uint64_t end = n;
  for (uint64_t i = k; i-- > 0;) {
    const uint64_t begin = stratum_begin(n, k, i);
    chosen_.push_back(n - 1 - (begin + stream.below(end - begin)));
    end = begin;
  }
}

void Chooser::choose_uniform(uint64_t n, uint64_t k, Stream& stream) {
  constexpr uint64_t kScanned = 32;  // below this many, a scan of the chosen beats a hash lookup
  if (k > kScanned) taken_.clear();
  for (uint64_t j = n - k; j < n; ++j) {
    uint64_t position = stream.below(j + 1);
    const bool repeated = k > kScanned ? !taken_.insert(position, 0).second
                                       : std::find(chosen_.begin(), chosen_.end(), position) != chosen_.end();
    if (repeated) {
      position = j;
      if (k > kScanned) taken_.insert(position, 0);
    }
    chosen_.push_back(position);
  }
  std::sort(chosen_.begin(), chosen_.end());
}

}  // namespace relhop
