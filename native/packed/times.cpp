#include "packed/times.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/branchless.h"
#include "base/error.h"

namespace relhop {

namespace {

// Rows ahead of the one being read whose memory is already asked for.
constexpr size_t kAhead = 16;
// Rows whose words are read from disk at once.
constexpr size_t kAtOnce = size_t{1} << 18;

// Of a width above 0.
uint64_t mask_of(const TimeBlock& block) { return UINT64_MAX >> (64 - block.width()); }

int64_t time_at(const TimeBlock& block, uint64_t distance) {
  return static_cast<int64_t>(static_cast<uint64_t>(block.base) + block.unit * distance);
}

}  // namespace

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
  check(stream.size());
}

PackedTimes::PackedTimes(std::span<const TimeBlock> blocks, const Elements& words, uint64_t stream_bytes,
                         uint64_t num_rows)
    : blocks_(blocks), words_(&words), num_rows_(num_rows) {
  check(stream_bytes);
}

void PackedTimes::check(uint64_t stream_bytes) {
  if (blocks_.size() != (num_rows_ + kTimeBlock - 1) / kTimeBlock)
    throw CorruptStore(std::to_string(blocks_.size()) + " blocks of times for " + std::to_string(num_rows_) + " rows");
  for (const TimeBlock& block : blocks_) {
    const uint64_t bytes = block.width() == 0 ? 0 : kTimeBlock / 8 * block.width() + 8;
    if ((block.width() > 57 && block.width() != 64) || block.begin() > stream_bytes ||
        bytes > stream_bytes - block.begin())
      throw CorruptStore("block " + std::to_string(&block - blocks_.data()) + " of times lies beyond their end");
    if (block.unit == 0)
      throw CorruptStore("block " + std::to_string(&block - blocks_.data()) + " of times has a unit of 0");
  }
  while (blocks_.size() >> landmark_shift_ > kMostLandmarks) ++landmark_shift_;
  for (size_t i = 0; i < blocks_.size(); i += size_t{1} << landmark_shift_) landmarks_.push_back(blocks_[i].base);
}

void PackedTimes::take(std::span<const int64_t> rows, int64_t* out) const {
  if (is_on_disk()) {
    for (size_t begin = 0; begin < rows.size(); begin += kAtOnce)
      take_from_disk(rows.subspan(begin, std::min(kAtOnce, rows.size() - begin)), out + begin);
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    // The two steps towards a row's memory: the second waits for the first one's.
    if (i + 2 * kAhead < rows.size()) {
      const TimeBlock& block = block_of(rows[i + 2 * kAhead]);
      __builtin_prefetch(&block.base);
      __builtin_prefetch(&block.packed);
    }
    if (i + kAhead < rows.size())
      __builtin_prefetch(stream_ + (bit_of(block_of(rows[i + kAhead]), rows[i + kAhead]) >> 3));
    const TimeBlock& block = block_of(rows[i]);
    out[i] =
        block.width() == 0 ? block.base : time_at(block, load_bits(stream_, bit_of(block, rows[i]), mask_of(block)));
  }
}

void PackedTimes::take_from_disk(std::span<const int64_t> rows, int64_t* out) const {
  std::vector<uint64_t> places, words;
  for (const int64_t row : rows) {
    const TimeBlock& block = block_of(row);
    if (block.width() == 0) continue;
    const uint64_t bit = bit_of(block, row);
    places.push_back(bit / 64);
    if (bit % 64 + block.width() > 64) places.push_back(bit / 64 + 1);
  }
  words_->gather(places, words);
  const uint64_t* word = words.data();
  for (size_t i = 0; i < rows.size(); ++i) {
    const TimeBlock& block = block_of(rows[i]);
    out[i] = block.base;
    if (block.width() == 0) continue;
    const uint64_t shift = bit_of(block, rows[i]) % 64;
    uint64_t distance = *word++ >> shift;
    if (shift + block.width() > 64) distance |= *word++ << (64 - shift);
    out[i] = time_at(block, distance & mask_of(block));
  }
}

PackedTimes::Search PackedTimes::search_in(uint64_t number, int64_t anchor, const uint8_t* distances) const {
  const TimeBlock& block = blocks_[number];
  const uint64_t size = std::min(kTimeBlock, num_rows_ - number * kTimeBlock);
  // All rows of a block without distances are in time.
  if (block.width() == 0) return {nullptr, 0, 0, 0, 0, size};
  const uint64_t farthest = (static_cast<uint64_t>(anchor) - static_cast<uint64_t>(block.base)) / block.unit;
  return {distances, block.width(), mask_of(block), farthest, size, 0};
}

// The searches go in step: what one waits for does not keep the others.
void PackedTimes::run(std::span<Search> searches) {
  for (uint64_t length = kTimeBlock; length > 0;) {
    const uint64_t half = (length + 1) / 2;
    length -= half;
    for (Search& search : searches) {
      const uint64_t probe = search.count + half - 1;
      if (probe >= search.size) continue;
      search.count += only_if(load_bits(search.distances, probe * search.width, search.mask) <= search.farthest, half);
    }
  }
}

void PackedTimes::count_in_blocks(std::span<const int64_t> anchors, uint64_t* counts) const {
  constexpr size_t kInStep = 32;
  Search searches[kInStep];
  // For the middle, where a search begins: few blocks are so wide that it ends far from there.
  const auto ask_for = [&](size_t i) {
    if (i >= anchors.size() || counts[i] == 0) return;
    const TimeBlock& block = blocks_[counts[i] - 1];
    __builtin_prefetch(stream_ + block.begin() + (kTimeBlock / 2 - 1) * block.width() / 8);
  };
  for (size_t i = 0; i < kInStep; ++i) ask_for(i);
  for (size_t first = 0; first < anchors.size(); first += kInStep) {
    const size_t size = std::min(kInStep, anchors.size() - first);
    for (size_t i = 0; i < size; ++i) {
      ask_for(first + kInStep + i);
      const uint64_t number = counts[first + i] - 1;
      searches[i] =
          counts[first + i] == 0 ? Search{} : search_in(number, anchors[first + i], stream_ + blocks_[number].begin());
    }
    run({searches, size});
    for (size_t i = first; i < first + size; ++i)
      if (counts[i] != 0) counts[i] = (counts[i] - 1) * kTimeBlock + searches[i - first].count;
  }
}

void PackedTimes::count_in_blocks_on_disk(std::span<const int64_t> anchors, uint64_t* counts) const {
  std::vector<uint64_t> places, words;
  std::vector<size_t> first(anchors.size());  // of the words of each anchor's block
  for (size_t i = 0; i < anchors.size(); ++i) {
    first[i] = places.size();
    if (counts[i] == 0 || blocks_[counts[i] - 1].width() == 0) continue;
    const uint64_t begin = blocks_[counts[i] - 1].begin();
    const uint64_t end = begin + kTimeBlock / 8 * blocks_[counts[i] - 1].width();
    for (uint64_t word = begin / 8; word < (end + 7) / 8; ++word) places.push_back(word);
  }
  words_->gather(places, words);
  words.push_back(0);  // padding
  for (size_t i = 0; i < anchors.size(); ++i) {
    if (counts[i] == 0) continue;
    const uint64_t number = counts[i] - 1;
    const auto* const bytes = reinterpret_cast<const uint8_t*>(words.data() + first[i]);
    Search search = search_in(number, anchors[i], bytes + blocks_[number].begin() % 8);
    run({&search, 1});
    counts[i] = number * kTimeBlock + search.count;
  }
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
      begin[i] = either(begin[i] == 0, uint64_t{0}, ((begin[i] - 1) << landmark_shift_) + 1);
      if (stride > 1) __builtin_prefetch(&blocks_[std::min(begin[i] + stride / 2 - 1, last)]);
    }
    for (uint64_t half = stride / 2; half > 0; half /= 2)
      for (size_t i = 0; i < group.size(); ++i) {
        const uint64_t block = begin[i] + half - 1;
        begin[i] += only_if(block <= last && blocks_[std::min(block, last)].base <= group[i] && begin[i] > 0, half);
        if (half > 1) __builtin_prefetch(&blocks_[std::min(begin[i] + half / 2 - 1, last)]);
      }
    is_on_disk() ? count_in_blocks_on_disk(group, begin) : count_in_blocks(group, begin);
  }
}

}  // namespace relhop
