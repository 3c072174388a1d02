#include "paging/page_reader.h"

#include <algorithm>
#include <bit>
#include <string>

#include "base/error.h"
#include "base/radix.h"
#include "io/extents.h"

namespace relhop {

PagedRows::PagedRows(const PagedFile& file, uint64_t size, uint32_t width)
    : file(&file), size(size), width(width), mask(width >= 64 ? UINT64_MAX : (uint64_t{1} << width) - 1) {
  const std::string what = std::to_string(size) + " rows of " + std::to_string(width) + " bits";
  if (width == 0 || (width > 57 && width != 64)) throw CorruptStore(what + "; 1 to 57 and 64 can be read");
  const uint64_t bytes = file.file.size();
  if (size >> 56 != 0 || (bytes != packed_bytes(size, width) && !(width == 64 && bytes == 8 * size)))
    throw CorruptStore(file.file.path() + ": " + std::to_string(bytes) + " bytes for " + what);
}

void PageReader::gather(const PagedRows& rows, std::span<const uint64_t> places, std::vector<uint64_t>& values) {
  values.assign(places.size(), 0);
  if (places.empty()) return;
  if (places.size() >= UINT32_MAX) throw std::length_error("more than 2^32 elements at once");
  find_starts(rows, places);
  radix_sort(starts_, sorted_, static_cast<unsigned>(std::bit_width(rows.file->num_pages())),
             [](const Start& start) { return uint64_t{start.page}; });
  for (size_t i = 0; i < starts_.size();) {
    pages_.clear();
    begins_.clear();
    for (; i < starts_.size(); ++i) {
      if (!pages_.empty() && pages_.back() == starts_[i].page) continue;
      if (pages_.size() == kWindow) break;
      pages_.push_back(starts_[i].page);
      begins_.push_back(i);
    }
    begins_.push_back(i);
    read_window(rows, places, values.data());
  }
}

void PageReader::find_starts(const PagedRows& rows, std::span<const uint64_t> places) {
  starts_.clear();
  const uint32_t bits = rows.file->page_bits;
  uint32_t page = UINT32_MAX;
  for (size_t i = 0; i < places.size(); ++i) {
    const auto first = static_cast<uint32_t>(rows.first_byte(places[i]) >> bits);
    const auto last = static_cast<uint32_t>(rows.last_byte(places[i]) >> bits);
    if (first != page) starts_.push_back({first, static_cast<uint32_t>(i)});
    if (last != first) starts_.push_back({last, static_cast<uint32_t>(i)});
    page = last;
  }
}

void PageReader::read_window(const PagedRows& rows, std::span<const uint64_t> places, uint64_t* values) {
  using Kind = PagePool::Claim::Kind;
  PagePool& pool = *rows.file->pool;
  claims_.resize(pages_.size());
  pool.claim(*rows.file, pages_, claims_.data());
  struct AtEnd {
    PagePool& pool;
    std::vector<PagePool::Claim>& claims;
    ~AtEnd() { pool.give_up(claims); }
  } const at_end{pool, claims_};
  const auto take = [&](size_t i) { decode(rows, places, i, pool.frame(claims_[i].frame), values); };
  missing_.clear();
  awaited_.clear();
  for (uint32_t i = 0; i < pages_.size(); ++i) {
    if (claims_[i].kind == Kind::here)
      take(i);
    else
      (claims_[i].kind == Kind::awaited ? awaited_ : missing_).push_back(i);
  }
  read_missing(rows, places, values);
  if (awaited_.empty()) return;
  pool.await(claims_);
  missing_.clear();
  for (const uint32_t i : awaited_) {
    if (claims_[i].kind == Kind::here)
      take(i);
    else
      missing_.push_back(i);
  }
  read_missing(rows, places, values);
}

void PageReader::read_missing(const PagedRows& rows, std::span<const uint64_t> places, uint64_t* values) {
  if (missing_.empty()) return;
  PagePool& pool = *rows.file->pool;
  const PagedFile& file = *rows.file;
  missing_pages_.clear();
  for (const uint32_t i : missing_) missing_pages_.push_back(pages_[i]);
  const std::vector<Extent> extents = plan_pages(missing_pages_, file.begin(1), file.file, pool.cost());
  reads_.clear();
  for (const Extent& extent : extents) reads_.push_back({&file.file, extent.offset, extent.length});
  if (device_ == nullptr) device_ = std::make_unique<ManyReads>();
  const ManyReads::Stats before = device_->stats();
  device_->run(reads_, [&](size_t read, const std::byte* bytes) {
    const Extent& extent = extents[read];
    const std::span missing = std::span(missing_).subspan(extent.first, extent.last - extent.first);
    for (const uint32_t i : missing) {
      const uint64_t begin = file.begin(pages_[i]);
      const std::byte* const page = bytes + (begin - extent.offset);
      decode(rows, places, i, page, values);
      if (claims_[i].kind == PagePool::Claim::Kind::load)
        std::memcpy(pool.frame(claims_[i].frame), page, file.end(pages_[i]) - begin);
    }
    pool.loaded(std::span(claims_).subspan(missing.front(), missing.back() - missing.front() + 1));
  });
  const ManyReads::Stats& after = device_->stats();
  pool.note_reads(after.reads - before.reads, after.bytes - before.bytes, after.seconds - before.seconds);
}

void PageReader::decode(const PagedRows& rows, std::span<const uint64_t> places, size_t window_page,
                        const std::byte* bytes, uint64_t* values) const {
  const uint64_t begin = rows.file->begin(pages_[window_page]), end = rows.file->end(pages_[window_page]);
  for (size_t s = begins_[window_page]; s < begins_[window_page + 1]; ++s)
    for (size_t i = starts_[s].index; i < places.size(); ++i) {
      const uint64_t first = rows.first_byte(places[i]), last = rows.last_byte(places[i]);
      if (last < begin || first >= end) break;
      if (first >= begin && first + sizeof(uint64_t) <= end) {
        const auto* const data = reinterpret_cast<const uint8_t*>(bytes + (first - begin));
        values[i] = load_bits(data, places[i] * rows.width & 7, rows.mask);
        continue;
      }
      // The element's bytes on this page; those on the next one come with it.
      const uint64_t from = std::max(first, begin), to = std::min(last + 1, end);
      uint64_t word = 0;
      std::memcpy(reinterpret_cast<std::byte*>(&word) + (from - first), bytes + (from - begin), to - from);
      values[i] |= (word >> (places[i] * rows.width & 7)) & rows.mask;
    }
}

}  // namespace relhop
