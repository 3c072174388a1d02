// Pages of files that are larger than memory: the ones that are read most often stay.
//
// A directory knows for each page of each file in which frame of the pool it lies, if in any, and how often it was
// wanted. A page that was read takes a frame only from one that was wanted less often, so that a sweep over a file
// pushes nothing out that is worth more. (TinyLFU: Einziger, Friedman, Manes, ACM Transactions on Storage 2017; the
// counts here are exact, as every page of the files has one.)
//
// Threads share a pool. Nothing ever waits for a frame: what finds none is read and not kept. So no pool is too small
// to be right, and no number of threads too large.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/pages.h"
#include "io/device.h"
#include "io/direct_file.h"

namespace relhop {

class PagePool;

// A file whose pages the pool holds.
struct PagedFile {
  PagePool* pool;
  DirectFile file;
  uint32_t page_bits;  // a page has 2^page_bits bytes
  uint64_t first;      // what its first page is in the pool's directory

  uint64_t begin(uint64_t page) const { return page << page_bits; }
  uint64_t end(uint64_t page) const { return std::min((page + 1) << page_bits, file.size()); }
  uint64_t num_pages() const { return (file.size() + begin(1) - 1) >> page_bits; }
};

class PagePool {
 public:
  // So many bytes in all: frames, 8 bytes beside each, and 4 bytes for each page of the files. `page_size`: a power of
  // two from 16 on.
  PagePool(uint64_t bytes, const DeviceCost& cost, uint32_t page_size = 4096);
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // Before the first page is looked up. Throws IoError, and std::invalid_argument where no frame would be left.
  const PagedFile& add(const std::string& path);

  const DeviceCost& cost() const { return cost_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t num_frames();

  // What to do about a page that is wanted.
  struct Claim {
    enum class Kind : uint8_t {
      here,    // take it from its frame
      load,    // read it, copy it to its frame, and say loaded() or failed()
      pass,    // read it; no frame is free for it
      awaited  // another thread is loading it: see await()
    };
    Kind kind;
    uint32_t frame;
  };
  // Looks up pages of the file, one claim each. Frames that are claimed stay what they are until give_up().
  void claim(const PagedFile& file, std::span<const uint32_t> pages, Claim* claims);
  std::byte* frame(uint32_t number) { return frames_.data() + (uint64_t{number} << page_bits_); }
  // The pages to load among these are in their frames: they are others' now, and these claims `pass`.
  void loaded(std::span<Claim> claims) { settle(claims, State::resident); }
  // Waits for what is awaited, which is then `here`, or `pass` where it could not be read. To be called by who has
  // nothing left to load, so that threads cannot wait for each other.
  void await(std::span<Claim> claims);
  // Done, or failed: what was to be loaded is not.
  void give_up(std::span<Claim> claims);

  struct Stats {
    uint64_t hits = 0, misses = 0;  // pages that were wanted and were in the pool, or were not
    uint64_t reads = 0, bytes = 0;  // of the device; gaps between pages count
    double seconds = 0;             // that threads were reading; those of several threads add up
  };
  Stats stats();
  void note_reads(uint64_t reads, uint64_t bytes, double seconds);

 private:
  enum class State : uint8_t { free, loading, resident, failed };
  struct Frame {
    uint32_t page;
    uint16_t claims;
    State state;
  };
  static constexpr uint32_t kNone = 0xFFFFFF;  // no frame
  static constexpr uint32_t kMostCount = 0xFF;

  void open();
  uint32_t take_frame(uint32_t count);
  void settle(std::span<Claim> claims, State state);
  void drop_claim(uint32_t frame);
  void age();

  const uint64_t bytes_;
  const DeviceCost cost_;
  const uint32_t page_bits_;
  std::vector<std::unique_ptr<PagedFile>> files_;
  std::mutex mutex_;
  std::condition_variable settled_;
  Pages<std::byte> frames_;  // none before the first page is looked up
  uint64_t num_pages_ = 0;
  uint32_t num_frames_ = 0;
  std::vector<uint32_t> directory_;  // by page: its frame << 8 | how often it was wanted
  std::vector<Frame> table_;         // by frame
  std::vector<uint32_t> free_;       // frames whose page could not be read
  uint32_t fresh_ = 0;               // frames from here on were never used
  uint32_t hand_ = 0;                // where to look for a frame next
  uint64_t wanted_ = 0;              // since counts were halved
  Stats stats_;
};

}  // namespace relhop
