// Row numbers of a few bits in a file behind a page pool: what PackedRows is for memory.
#pragma once

#include "packed/packed.h"
#include "paging/page_pool.h"

namespace relhop {

struct PagedRows {
  const PagedFile* file = nullptr;  // null: there are none
  uint64_t size = 0;
  uint32_t width = 64;
  uint64_t mask = UINT64_MAX;

  PagedRows() = default;
  // Throws CorruptStore where the file is not what size and width demand. A file of 64-bit numbers needs no padding.
  PagedRows(const PagedFile& file, uint64_t size, uint32_t width);
  // The whole words of a file of anything.
  static PagedRows words_of(const PagedFile& file) {
    PagedRows words;
    words.file = &file;
    words.size = file.file.size() / sizeof(uint64_t);
    return words;
  }

  // The same without the data.
  PackedRows shape() const {
    PackedRows rows;
    rows.size = size;
    rows.width = width;
    rows.mask = mask;
    return rows;
  }
  uint64_t first_byte(uint64_t i) const { return i * width >> 3; }
  uint64_t last_byte(uint64_t i) const { return (i * width + width - 1) >> 3; }
};

}  // namespace relhop
