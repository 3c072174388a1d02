// A table's records on disk, behind a pool of as many bytes as the user gives.
//
// One reader at a time. It works on a round of batches: looks up where each record is; plans which bytes to read for
// those that are nowhere; copies the others while the bytes arrive; and decodes what arrives straight into the columns
// that want it. What then stays in the pool was decided by when it is wanted next.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "io/device.h"
#include "io/direct_file.h"
#include "io/extents.h"
#include "io/many_reads.h"
#include "packed/packed.h"
#include "rows/directory.h"
#include "rows/frequencies.h"
#include "rows/pool.h"
#include "rows/records.h"
#include "rows/window.h"

namespace relhop {

struct ReadStats {
  uint64_t rows = 0;     // that were asked for
  uint64_t records = 0;  // different ones that were read for them or for coming ones; the others were in the pool
  uint64_t along = 0;    // that came along, and were kept as the window wants them
  uint64_t evictions = 0;
  uint64_t reads = 0, bytes = 0;
  double seconds = 0;  // while reads were on their way

  ReadStats& operator+=(const ReadStats& other);
};

// The records of one batch.
struct Request {
  std::span<const int64_t> records;  // may repeat; stay where they are until the request was read or left
  Buffer<uint32_t> entries;          // of the directory, while in the window
  std::optional<Window::Seat> seat;  // in the window
};

// What was stopped from outside.
struct Cancelled {};

class DiskRecords {
 public:
  static constexpr size_t kMostTogether = size_t{1} << 16;

  struct Settings {
    uint64_t pool_bytes = 0;
    DeviceCost cost;
    ManyReads::Engine engine = ManyReads::Engine::automatic;
    bool reads_ahead = true;              // whether records may enter the pool before their batch is read
    PackedRows slots;                     // row -> record, to name rows by; data is null where that is the same
    std::span<const uint32_t> checksums;  // of the blocks that are read, which are compared; empty: they are not
  };

  // Throws IoError, and CorruptStore where the file is not of `num_records` records.
  DiskRecords(std::string table, const std::string& path, const RecordLayout& layout, uint64_t num_records,
              const Settings& settings);

  const RecordLayout& layout() const { return layout_; }
  uint64_t num_records() const { return num_records_; }
  uint32_t num_slots() const { return pool_.num_slots(); }
  const char* engine() const { return reads_.engine(); }
  bool is_direct() const { return file_.is_direct(); }
  ReadStats stats() const;

  // How many batches of so many rows the window has places for; 0 where no record stays.
  size_t can_foresee(size_t rows) const;
  // Puts a batch behind those that are in the window, so that its records stay when they are read before. Where the
  // window is full, returns false: the batch may try again, or be read as if it had not been foreseen.
  bool enter(Request& request);
  // Takes it out, unread.
  void leave(Request& request);
  // Reads some batches at once, kMostTogether or fewer, the window's next ones for the best use of the pool; out[i] has
  // room for those of requests[i]. Throws IoError and CorruptStore, which name the table or file and the row; Cancelled
  // once `cancelled` is true. Afterwards all requests are out of the window, and can be read again.
  ReadStats read(std::span<Request* const> requests, std::span<FeatureRows* const> out, unsigned num_threads,
                 const std::atomic<bool>* cancelled = nullptr);
  // A batch that was not foreseen.
  ReadStats gather(std::span<const int64_t> records, FeatureRows& out, unsigned num_threads);

 private:
  struct Round;
  struct Coming;

  ReadStats read_once(std::span<Request* const> requests, std::span<FeatureRows* const> out, unsigned num_threads,
                      const std::atomic<bool>* cancelled, bool reads_ahead, bool& has_read_ahead);
  Pool::Use next_use(const Directory::Entry& entry) const;
  void prefetch_use(const Directory::Entry& entry) const;
  void count_use(uint64_t record);
  template <class Use>
  void add_each(Request& request, Use use);
  void take_out(Request& request);
  bool release(Directory::Entry& entry, const Window::Seat& seat);
  void leave_window(Request& request);
  void locate(Round& round, size_t i);
  void admit(Round& round);
  void add_coming(Round& round);
  size_t num_missing() const;
  Buffer<Coming> coming_records(size_t room);
  void copy_chunks(Round& round);
  void fetch(Round& round);
  void arrived(Round& round, const Extent& extent, const std::byte* bytes);
  void keep(Round& round, uint32_t entry, const std::byte* record);
  void empty_aside(Round& round);
  void keep_along(Round& round, const Extent& extent, const std::byte* bytes);
  void keep_one_along(Round& round, uint32_t entry, const std::byte* record);
  void settle(Round& round);
  bool take_slot(Round& round, uint32_t entry);
  void forget_if_unused(uint32_t entry);

  const std::string table_;
  const RecordLayout layout_;
  const uint64_t num_records_;
  const DeviceCost cost_;
  const bool reads_ahead_;
  const PackedRows slots_;
  const std::span<const uint32_t> checksums_;
  const DirectFile file_;

  mutable std::mutex mutex_;  // guards all below
  ManyReads reads_;
  Window window_;
  // By place, entries that nobody wanted before, and that were in no slot.
  std::array<Buffer<uint32_t>, kPlaces> missing_;
  Directory directory_;
  Frequencies frequencies_;
  Pool pool_;
  ReadStats stats_;
};

}  // namespace relhop
