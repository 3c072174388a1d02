#include "paging/page_pool.h"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace relhop {

namespace {

constexpr uint32_t kMostFrames = 0xFFFFFF;
constexpr uint32_t kLookedAt = 8;  // frames, for one whose page was wanted less often
// Counts are halved when pages were wanted so many times on average: pages that are no longer wanted fade.
constexpr uint64_t kMemory = 16;

}  // namespace

PagePool::PagePool(uint64_t bytes, const DeviceCost& cost, uint32_t page_size)
    : bytes_(bytes), cost_(cost), page_bits_(static_cast<uint32_t>(std::countr_zero(page_size))) {
  if (!std::has_single_bit(page_size) || page_size < 16)
    throw std::invalid_argument("a page of " + std::to_string(page_size) + " bytes; give a power of two from 16 on");
  if (!(cost.reads_per_second > 0 && cost.bytes_per_second > 0))
    throw std::invalid_argument("a device reads more than nothing a second");
}

const PagedFile& PagePool::add(const std::string& path) {
  auto file = std::make_unique<PagedFile>(PagedFile{this, DirectFile(path), page_bits_, 0});
  const std::lock_guard lock(mutex_);
  if (frames_.size() != 0) throw std::logic_error("files are added to a pool before it is used");
  const uint64_t directory = 4 * (num_pages_ + file->num_pages());
  if (bytes_ < directory + (uint64_t{1} << page_bits_) + sizeof(Frame))
    throw std::invalid_argument("a pool of " + std::to_string(bytes_) + " bytes has no room: its directory takes " +
                                std::to_string(directory) + " bytes with '" + path + "'; give it more");
  file->first = num_pages_;
  num_pages_ += file->num_pages();
  if (num_pages_ > UINT32_MAX) throw std::invalid_argument("a pool's files have 16 TiB at most");
  return *files_.emplace_back(std::move(file));
}

uint64_t PagePool::num_frames() {
  const std::lock_guard lock(mutex_);
  open();
  return num_frames_;
}

void PagePool::open() {
  if (frames_.size() != 0) return;
  const uint64_t room = (bytes_ - std::min(bytes_, 4 * num_pages_)) / ((uint64_t{1} << page_bits_) + sizeof(Frame));
  num_frames_ = static_cast<uint32_t>(std::min({room, num_pages_, uint64_t{kMostFrames}}));
  directory_.assign(num_pages_, kNone << 8);
  table_.assign(num_frames_, {0, 0, State::free});
  frames_ = Pages<std::byte>(std::max<uint64_t>(num_frames_, 1) << page_bits_);
}

void PagePool::claim(const PagedFile& file, std::span<const uint32_t> pages, Claim* claims) {
  const std::lock_guard lock(mutex_);
  open();
  for (size_t i = 0; i < pages.size(); ++i) {
    uint32_t& entry = directory_[file.first + pages[i]];
    const uint32_t count = std::min((entry & kMostCount) + 1, kMostCount);
    uint32_t frame = entry >> 8;
    if (frame != kNone) {
      claims[i] = {table_[frame].state == State::resident ? Claim::Kind::here : Claim::Kind::awaited, frame};
      ++table_[frame].claims;
      ++stats_.hits;
    } else {
      frame = take_frame(count);
      claims[i] = {frame == kNone ? Claim::Kind::pass : Claim::Kind::load, frame};
      if (frame != kNone) table_[frame] = {static_cast<uint32_t>(file.first) + pages[i], 1, State::loading};
      ++stats_.misses;
    }
    entry = frame << 8 | count;
  }
  wanted_ += pages.size();
  if (wanted_ >= kMemory * num_pages_) age();
}

uint32_t PagePool::take_frame(uint32_t count) {
  if (!free_.empty()) {
    const uint32_t frame = free_.back();
    free_.pop_back();
    return frame;
  }
  if (fresh_ < num_frames_) return fresh_++;
  uint32_t best = kNone;
  for (uint32_t i = 0; i < std::min(kLookedAt, num_frames_); ++i) {
    const uint32_t frame = hand_;
    hand_ = hand_ + 1 == num_frames_ ? 0 : hand_ + 1;
    if (table_[frame].state != State::resident || table_[frame].claims != 0) continue;
    const uint32_t of_frame = directory_[table_[frame].page] & kMostCount;
    if (of_frame >= count) continue;
    best = frame;
    count = of_frame;
  }
  if (best != kNone) directory_[table_[best].page] |= kNone << 8;
  return best;
}

void PagePool::age() {
  wanted_ = 0;
  for (uint32_t& entry : directory_) entry = (entry & ~kMostCount) | (entry & kMostCount) >> 1;
}

void PagePool::settle(std::span<Claim> claims, State state) {
  bool is_awaited = false;
  {
    const std::lock_guard lock(mutex_);
    for (Claim& claim : claims) {
      if (claim.kind != Claim::Kind::load) continue;
      Frame& frame = table_[claim.frame];
      is_awaited |= frame.claims > 1;
      frame.state = state;
      if (state == State::failed) directory_[frame.page] |= kNone << 8;
      drop_claim(claim.frame);
      claim = {Claim::Kind::pass, kNone};
    }
  }
  if (is_awaited) settled_.notify_all();
}

void PagePool::drop_claim(uint32_t frame) {
  if (--table_[frame].claims == 0 && table_[frame].state == State::failed) {
    table_[frame].state = State::free;
    free_.push_back(frame);
  }
}

void PagePool::await(std::span<Claim> claims) {
  std::unique_lock lock(mutex_);
  for (Claim& claim : claims) {
    if (claim.kind != Claim::Kind::awaited) continue;
    settled_.wait(lock, [&] { return table_[claim.frame].state != State::loading; });
    claim.kind = Claim::Kind::here;
    if (table_[claim.frame].state == State::resident) continue;
    drop_claim(claim.frame);
    claim = {Claim::Kind::pass, kNone};
  }
}

void PagePool::give_up(std::span<Claim> claims) {
  settle(claims, State::failed);
  const std::lock_guard lock(mutex_);
  for (const Claim& claim : claims)
    if (claim.kind != Claim::Kind::pass) drop_claim(claim.frame);
}

PagePool::Stats PagePool::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void PagePool::note_reads(uint64_t reads, uint64_t bytes, double seconds) {
  const std::lock_guard lock(mutex_);
  stats_.reads += reads;
  stats_.bytes += bytes;
  stats_.seconds += seconds;
}

}  // namespace relhop
