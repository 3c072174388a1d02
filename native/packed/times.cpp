#include "packed/times.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/error.h"
#include "base/select.h"

namespace relhop {

EncodedTimes encode_times(std::span<const int64_t> times, uint64_t begin) {
  EncodedTimes encoded;
  std::vector<uint64_t> distances;
  for (size_t first = 0; first < times.size(); first += kTimeBlock) {
    const auto block = times.subspan(first, std::min<size_t>(kTimeBlock, times.size() - first));
    const auto base = static_cast<uint64_t>(block[0]);
    uint64_t unit = 0, widest = 0;
    distances.clear();
    for (const int64_t time : block) {
      distances.push_back(static_cast<uint64_t>(time) - base);
      unit = std::gcd(unit, distances.back());
    }
    unit = std::max<uint64_t>(unit, 1);
    for (uint64_t& distance : distances) widest |= (distance /= unit);
    const uint32_t width = widest == 0                   ? 0
                           : std::bit_width(widest) > 57 ? 64
                                                         : static_cast<uint32_t>(std::bit_width(widest));
    encoded.blocks.push_back({block[0], unit, (begin + encoded.stream.size()) << 8 | width});
    if (width == 0) continue;
    distances.resize(kTimeBlock, 0);  // so that every block ends at a whole byte
    const std::vector<uint8_t> packed = pack(distances, width);
    encoded.stream.insert(encoded.stream.end(), packed.begin(), packed.begin() + kTimeBlock / 8 * width);
  }
  return encoded;
}

PackedTimes::PackedTimes(std::span<const TimeBlock> blocks, std::span<const uint8_t> stream, uint64_t num_rows)
    : blocks_(blocks), stream_(stream.data()), num_rows_(num_rows) {
  if (blocks.size() != (num_rows + kTimeBlock - 1) / kTimeBlock)
    throw CorruptStore(std::to_string(blocks.size()) + " blocks of times for " + std::to_string(num_rows) + " rows");
  for (const TimeBlock& block : blocks) {
    const uint64_t bytes = block.width() == 0 ? 0 : kTimeBlock / 8 * block.width() + 8;
    if ((block.width() > 57 && block.width() != 64) || block.begin() > stream.size() ||
        bytes > stream.size() - block.begin())
      throw CorruptStore("block " + std::to_string(&block - blocks.data()) + " of times lies beyond their end");
    if (block.unit == 0)
      throw CorruptStore("block " + std::to_string(&block - blocks.data()) + " of times has a unit of 0");
  }
  while (blocks.size() >> landmark_shift_ > kMostLandmarks) ++landmark_shift_;
  for (size_t i = 0; i < blocks.size(); i += size_t{1} << landmark_shift_) landmarks_.push_back(blocks[i].base);
}

uint64_t PackedTimes::count_in_block(uint64_t number, int64_t anchor) const {
  const TimeBlock& block = blocks_[number];
  const uint64_t first = number * kTimeBlock, size = std::min(kTimeBlock, num_rows_ - first);
  if (block.width() == 0) return first + size;
  const uint64_t farthest = (static_cast<uint64_t>(anchor) - static_cast<uint64_t>(block.base)) / block.unit;
  uint64_t begin = 0;
  for (uint64_t length = size; length > 0;) {
    const uint64_t half = (length + 1) / 2;
    length -= half;
    begin += only_if(distance(block, begin + half - 1) <= farthest, half);
  }
  return first + begin;
}

uint64_t PackedTimes::count_until(int64_t anchor) const {
  uint64_t count;
  count_until({&anchor, 1}, &count);
  return count;
}

void PackedTimes::count_until(std::span<const int64_t> anchors, uint64_t* counts) const {
  // Searches go in step, each asking for its next probe's memory before any of them waits for it.
  constexpr size_t kGroup = 256;
  for (size_t first = 0; first < anchors.size(); first += kGroup) {
    const auto group = anchors.subspan(first, std::min(kGroup, anchors.size() - first));
    uint64_t* begin = counts + first;  // the blocks below it begin at or before the anchor
    std::fill_n(begin, group.size(), 0);
    for (uint64_t length = landmarks_.size(); length > 0;) {
      const uint64_t half = (length + 1) / 2;
      length -= half;
      for (size_t i = 0; i < group.size(); ++i) begin[i] += only_if(landmarks_[begin[i] + half - 1] <= group[i], half);
    }
    // From the last landmark that is not too late, as far as to the next.
    const uint64_t stride = uint64_t{1} << landmark_shift_, last = blocks_.size() - 1;
    for (size_t i = 0; i < group.size(); ++i) {
      begin[i] = select(begin[i] == 0, uint64_t{0}, ((begin[i] - 1) << landmark_shift_) + 1);
      if (stride > 1) __builtin_prefetch(&blocks_[std::min(begin[i] + stride / 2 - 1, last)]);
    }
    for (uint64_t half = stride / 2; half > 0; half /= 2)
      for (size_t i = 0; i < group.size(); ++i) {
        const uint64_t block = begin[i] + half - 1;
        begin[i] += only_if(block <= last && blocks_[std::min(block, last)].base <= group[i] && begin[i] > 0, half);
        if (half > 1) __builtin_prefetch(&blocks_[std::min(begin[i] + half / 2 - 1, last)]);
      }
    for (size_t i = 0; i < group.size(); ++i) {
      if (begin[i] == 0) continue;
      const TimeBlock& block = blocks_[begin[i] - 1];
      for (uint64_t byte = 0; byte < kTimeBlock / 8 * block.width(); byte += 64)
        __builtin_prefetch(stream_ + block.begin() + byte);
    }
    for (size_t i = 0; i < group.size(); ++i) begin[i] = begin[i] == 0 ? 0 : count_in_block(begin[i] - 1, group[i]);
  }
}

}  // namespace relhop
