#include "io/extents.h"

#include <algorithm>

namespace relhop {

std::vector<Extent> plan_extents(std::span<const uint64_t> records, uint64_t record_size, const DirectFile& file,
                                 const DeviceCost& cost) {
  const uint64_t block = file.block_size();
  const auto most_gap = static_cast<uint64_t>(cost.bytes_per_second / cost.reads_per_second);
  std::vector<Extent> extents;
  for (size_t i = 0; i < records.size(); ++i) {
    const uint64_t begin = records[i] * record_size / block * block;
    const uint64_t end = std::min(((records[i] + 1) * record_size + block - 1) / block * block, file.size());
    if (!extents.empty()) {
      Extent& last = extents.back();
      if (begin <= last.offset + last.length + most_gap && end - last.offset <= kMostExtent) {
        last.length = std::max(last.offset + last.length, end) - last.offset;
        last.last = i + 1;
        continue;
      }
    }
    extents.push_back({begin, end - begin, i, i + 1});
  }
  return extents;
}

}  // namespace relhop
