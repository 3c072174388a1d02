#include "build/packed_file.h"

#include <algorithm>
#include <vector>

namespace relhop {
namespace {

constexpr uint64_t kPieceWords = 8192;  // of one write

}  // namespace

void pack_group(const uint64_t* rows, uint32_t width, uint64_t* words) {
  uint64_t word = 0;
  uint32_t filled = 0;
  for (int i = 0; i < 64; ++i) {
    const uint64_t row = rows[i];
    word |= row << filled;
    filled += width;
    if (filled >= 64) {
      *words++ = word;
      filled -= 64;
      word = filled == 0 ? 0 : row >> (width - filled);
    }
  }
}

void PackedFile::write(uint64_t begin, std::span<const uint64_t> rows) {
  const uint64_t head = std::min<uint64_t>(rows.size(), (64 - begin % 64) % 64);
  keep(begin, rows.first(head));
  begin += head;
  rows = rows.subspan(head);
  std::vector<uint64_t> words(std::min(kPieceWords, rows.size() / 64 * width_));
  while (rows.size() >= 64) {
    const uint64_t groups = std::min(rows.size() / 64, kPieceWords / width_);
    for (uint64_t g = 0; g < groups; ++g) pack_group(&rows[64 * g], width_, &words[g * width_]);
    file_.write(begin / 64 * width_ * 8, words.data(), groups * width_ * 8);
    begin += 64 * groups;
    rows = rows.subspan(64 * groups);
  }
  keep(begin, rows);
}

void PackedFile::keep(uint64_t begin, std::span<const uint64_t> rows) {
  if (rows.empty()) return;
  const std::lock_guard lock(mutex_);
  std::copy(rows.begin(), rows.end(), shared_groups_[begin / 64].begin() + begin % 64);
}

void PackedFile::finish() {
  for (const auto& [group, rows] : shared_groups_) {
    std::array<uint64_t, 64> words{};
    pack_group(rows.data(), width_, words.data());
    const uint64_t elements = std::min<uint64_t>(64, size_ - 64 * group);
    file_.write(group * width_ * 8, words.data(), (elements * width_ + 63) / 64 * 8);
  }
  const uint64_t padding = 0;
  file_.write(packed_bytes(size_, width_) - sizeof padding, &padding, sizeof padding);
}

}  // namespace relhop
