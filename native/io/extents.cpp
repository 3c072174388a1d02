#include "io/extents.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/error.h"

namespace relhop {
namespace {

// Records as the blocks they lie in.
class Plan {
 public:
  Plan(std::span<const uint64_t> records, uint64_t record_size, const DirectFile& file, const DeviceCost& cost)
      : records_(records),
        blocks_(record_size, file),
        read_(cost.bytes_a_read()),
        most_gap_(std::min(static_cast<uint64_t>(read_), kMostExtent)) {}

  std::vector<Extent> extents() && {
    for (size_t first = 0; first < records_.size();) first = add_chain(first);
    return std::move(extents_);
  }

 private:
  uint64_t begin(size_t i) const { return blocks_.begin(records_[i]); }
  uint64_t end(size_t i) const { return blocks_.end(records_[i]); }

  void add(size_t first, size_t last) { extents_.push_back({begin(first), end(last - 1) - begin(first), first, last}); }

  // Records between which no gap is worth a cut: one extent, unless that is too long. Gaps are independent of each
  // other, so that a cut at each that costs more than a read is right. Returns where the next begins.
  size_t add_chain(size_t first) {
    size_t last = first + 1;
    uint64_t until = end(first);
    while (last < records_.size() && begin(last) <= until + most_gap_) until = end(last++);
    if (last == first + 1 || until - begin(first) <= kMostExtent)
      add(first, last);
    else
      cut_chain(first, last);
    return last;
  }

  // The cheapest cuts of a chain into extents that are not too long: of all last extents of the records up to each, the
  // one with the least cost together with what comes before it. Where to cut from is a minimum over a window that only
  // moves on, so that each record enters and leaves it once. Costs are in bytes, so that what costs the same is equal.
  void cut_chain(size_t first, size_t last) {
    struct Start {
      size_t record;
      int64_t cost;  // of all extents before it, less what the bytes up to it would cost
    };
    std::deque<Start> window;
    std::vector<uint32_t> length(last - first);  // in records, of the last extent of those up to each
    int64_t before = 0;
    for (size_t i = first; i < last; ++i) {
      const int64_t cost = before - static_cast<int64_t>(begin(i));
      while (!window.empty() && window.back().cost > cost) window.pop_back();
      window.push_back({i, cost});
      while (window.size() > 1 && end(i) - begin(window.front().record) > kMostExtent) window.pop_front();
      before = window.front().cost + read_ + static_cast<int64_t>(end(i));
      length[i - first] = static_cast<uint32_t>(i + 1 - window.front().record);
    }
    const size_t old = extents_.size();
    for (size_t stop = last; stop > first; stop -= length[stop - 1 - first]) add(stop - length[stop - 1 - first], stop);
    std::reverse(extents_.begin() + static_cast<ptrdiff_t>(old), extents_.end());
  }

  std::span<const uint64_t> records_;
  BlocksOf blocks_;
  int64_t read_;
  uint64_t most_gap_;
  std::vector<Extent> extents_;
};

}  // namespace

std::vector<Extent> plan_extents(std::span<const uint64_t> records, uint64_t record_size, const DirectFile& file,
                                 const DeviceCost& cost) {
  if (records.empty() || record_size == 0) return {};
  if (records.back() >= file.size() / record_size)
    throw IoError(
        "cannot read record " + std::to_string(records.back()) + " of " + std::to_string(record_size) + " bytes",
        file.path(), records.back() * record_size, 0);
  return Plan(records, record_size, file, cost).extents();
}

std::vector<Extent> plan_pages(std::span<const uint64_t> pages, uint64_t page_size, const DirectFile& file,
                               const DeviceCost& cost) {
  if (pages.empty() || page_size == 0) return {};
  if (pages.back() >= (file.size() + page_size - 1) / page_size)
    throw IoError("cannot read page " + std::to_string(pages.back()) + " of " + std::to_string(page_size) + " bytes",
                  file.path(), pages.back() * page_size, 0);
  return Plan(pages, page_size, file, cost).extents();
}

double cost_of(std::span<const Extent> extents, const DeviceCost& cost) {
  double seconds = 0;
  for (const Extent& extent : extents) seconds += cost.of(static_cast<double>(extent.length));
  return seconds;
}

}  // namespace relhop
