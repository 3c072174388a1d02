// Many elements of a paged file at once, in the order of the file.
//
// What is wanted is sorted by page. Pages of the pool are read where they lie; the others come in a few long reads, all
// on their way together, and their elements are decoded where they arrive. So a request costs the device each of its
// pages once, however many elements it asks for, and needs no frame of the pool.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "io/many_reads.h"
#include "paging/paged_rows.h"

namespace relhop {

// One a thread; keeps its memory for the next request.
class PageReader {
 public:
  // values[i] = element places[i], which exists. Places that ascend, even in short runs, cost less. Throws IoError.
  void gather(const PagedRows& rows, std::span<const uint64_t> places, std::vector<uint64_t>& values);

 private:
  // The elements from `index` on that have bytes on the page.
  struct Start {
    uint32_t page, index;
  };
  static constexpr size_t kWindow = 8192;  // pages that are looked up at once

  void find_starts(const PagedRows& rows, std::span<const uint64_t> places);
  void read_window(const PagedRows& rows, std::span<const uint64_t> places, uint64_t* values);
  void read_missing(const PagedRows& rows, std::span<const uint64_t> places, uint64_t* values);
  void decode(const PagedRows& rows, std::span<const uint64_t> places, size_t window_page, const std::byte* bytes,
              uint64_t* values) const;

  std::vector<Start> starts_, sorted_;
  // Of a window:
  std::vector<uint32_t> pages_;
  std::vector<size_t> begins_;  // [pages + 1]: in starts_
  std::vector<PagePool::Claim> claims_;
  std::vector<uint32_t> missing_, awaited_;  // in pages_
  std::vector<uint64_t> missing_pages_;
  std::vector<ManyReads::Read> reads_;
  std::unique_ptr<ManyReads> device_;
};

}  // namespace relhop
