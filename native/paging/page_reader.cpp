#include "paging/page_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>

#include "base/error.h"
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
  sort_starts();
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

void PageReader::sort_starts() {
  const auto before = [](const Start& a, const Start& b) { return a.page < b.page; };
  if (std::is_sorted(starts_.begin(), starts_.end(), before)) return;
  constexpr size_t kFew = 1024;
  if (starts_.size() < kFew) return std::sort(starts_.begin(), starts_.end(), before);
  // By digits of 11 bits, the lowest first.
  uint32_t all_bits = 0;
  for (const Start& start : starts_) all_bits |= start.page;
  sorted_.resize(starts_.size());
  for (uint32_t shift = 0; all_bits >> shift != 0 && shift < 32; shift += 11) {
    std::array<uint32_t, 2048> begins{};
    for (const Start& start : starts_) ++begins[start.page >> shift & 2047];
    uint32_t sum = 0;
    for (uint32_t& begin : begins) sum += std::exchange(begin, sum);
    for (const Start& start : starts_) sorted_[begins[start.page >> shift & 2047]++] = start;
    starts_.swap(sorted_);
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

void PageReader::plan_reads(const PagedFile& file) {
  const DeviceCost& cost = file.pool->cost();
  const uint64_t block = file.file.block_size();
  const auto most_gap = static_cast<uint64_t>(cost.bytes_per_second / cost.reads_per_second);
  reads_.clear();
  first_missing_.clear();
  for (size_t i = 0; i < missing_.size(); ++i) {
    const uint64_t page = pages_[missing_[i]];
    const uint64_t begin = file.begin(page) / block * block;
    const uint64_t end = std::min((file.end(page) + block - 1) / block * block, file.file.size());
    if (!reads_.empty()) {
      ManyReads::Read& last = reads_.back();
      if (begin <= last.offset + last.length + most_gap && end <= last.offset + kMostExtent) {
        last.length = end - last.offset;
        continue;
      }
    }
    reads_.push_back({&file.file, begin, end - begin});
    first_missing_.push_back(i);
  }
  first_missing_.push_back(missing_.size());
}

void PageReader::read_missing(const PagedRows& rows, std::span<const uint64_t> places, uint64_t* values) {
  if (missing_.empty()) return;
  PagePool& pool = *rows.file->pool;
  plan_reads(*rows.file);
  if (device_ == nullptr) device_ = std::make_unique<ManyReads>();
  const ManyReads::Stats before = device_->stats();
  device_->run(reads_, [&](size_t read, const std::byte* bytes) {
    const std::span missing(missing_.begin() + static_cast<std::ptrdiff_t>(first_missing_[read]),
                            first_missing_[read + 1] - first_missing_[read]);
    for (const uint32_t i : missing) {
      const uint64_t begin = rows.file->begin(pages_[i]);
      const std::byte* const page = bytes + (begin - reads_[read].offset);
      decode(rows, places, i, page, values);
      if (claims_[i].kind == PagePool::Claim::Kind::load)
        std::memcpy(pool.frame(claims_[i].frame), page, rows.file->end(pages_[i]) - begin);
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
