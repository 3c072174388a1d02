// Which pieces of a file to read for some records: neighbors in one read, where the gap between them costs less to read
// than another read would.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "io/device.h"
#include "io/direct_file.h"

namespace relhop {

// Bytes of a file, in whole blocks but for the file's end; the records [first, last) of the request lie in it whole.
struct Extent {
  uint64_t offset, length;
  size_t first, last;
};

// The whole blocks that a record lies in; the file's last may be cut by its end.
class BlocksOf {
 public:
  BlocksOf(uint64_t record_size, const DirectFile& file)
      : record_size_(record_size), block_(file.block_size()), size_(file.size()) {}

  uint64_t begin(uint64_t record) const { return record * record_size_ & ~(block_ - 1); }
  uint64_t end(uint64_t record) const {
    return std::min(((record + 1) * record_size_ + block_ - 1) & ~(block_ - 1), size_);
  }

 private:
  uint64_t record_size_, block_, size_;
};

// No extent is longer, unless one record is.
constexpr uint64_t kMostExtent = uint64_t{1} << 20;

// `records`: ascending, distinct; record i is the bytes [i record_size, (i + 1) record_size) of the file. The extents'
// cost_of is the least that there is with extents of whole records. Takes a few nanoseconds a record. Throws IoError
// where the file ends before a record.
std::vector<Extent> plan_extents(std::span<const uint64_t> records, uint64_t record_size, const DirectFile& file,
                                 const DeviceCost& cost);

// The same of pages, of which the file's last may be cut by its end: enough that the file does not end before a page
// begins.
std::vector<Extent> plan_pages(std::span<const uint64_t> pages, uint64_t page_size, const DirectFile& file,
                               const DeviceCost& cost);

// Seconds of the device's time to read them all.
double cost_of(std::span<const Extent> extents, const DeviceCost& cost);

}  // namespace relhop
