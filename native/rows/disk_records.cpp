#include "rows/disk_records.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "base/radix.h"
#include "io/two_plans.h"
#include "rows/checksums.h"

namespace relhop {

namespace {

// Records ahead of the one being copied whose memory is already asked for: enough to hide a miss to DRAM.
constexpr size_t kAhead = 8;
// The same of the directory's entries.
constexpr size_t kAheadEntries = 12;
// Rows that a thread copies before it looks for more.
constexpr size_t kChunk = 4096;
// A thread is worth its start from so many bytes on.
constexpr size_t kWorthAThread = size_t{1} << 20;
// Bytes of records that came while others were copied, at most.
constexpr size_t kAside = size_t{16} << 20;
// Counters of uses for each slot, a byte each.
constexpr uint64_t kCountersEach = 8;
// Batches share a place of the window while they have no more rows than fill such a share of the pool.
constexpr size_t kPlacesAPool = 3;
// What it costs to sort a record that is wanted, in records that are looked for.
constexpr size_t kSortedEach = 2;
// Records of coming batches are looked at where at least such a share of them may lie near one that is read now.
constexpr double kShareNear = 0.05;

// What a slot costs: its record, and the bookkeeping of pool and directory.
uint32_t slots_for(uint64_t bytes, size_t record_size, uint64_t num_records) {
  const uint64_t each = record_size + Pool::kBytesEach + Directory::kBytesEach + kCountersEach;
  return static_cast<uint32_t>(std::min({bytes / each, num_records, uint64_t{kForgotten}}));
}

}  // namespace

// A row of a request that is in no slot.
struct Miss {
  uint64_t key;  // record << kRequestBits | number of the request in its round
  uint32_t row, entry;

  static constexpr unsigned kRequestBits = std::bit_width(DiskRecords::kMostTogether - 1);
  static_assert(std::bit_width(kMostRecords - 1) + kRequestBits <= 64);

  uint64_t record() const { return key >> kRequestBits; }
  size_t request() const { return key & (DiskRecords::kMostTogether - 1); }
};

// A record that a coming batch wants, in no slot.
struct DiskRecords::Coming {
  uint64_t record;
  uint32_t entry;
  bool is_farthest;  // of the last batch that there may be room for, perhaps in part
};

struct DiskRecords::Round {
  Round(std::span<Request* const> requests, std::span<FeatureRows* const> out, const std::atomic<bool>* cancelled)
      : requests(requests), out(out), cancelled(cancelled) {}

  const std::span<Request* const> requests;
  const std::span<FeatureRows* const> out;
  const std::atomic<bool>* const cancelled;
  ReadStats stats;

  Buffer<Miss> misses;       // by record
  Buffer<uint64_t> records;  // the different ones, and those of coming batches that are read with them
  Buffer<uint32_t> entries;  // [records]
  Buffer<uint64_t> first;    // [records + 1]: the misses of record j are [first[j], first[j + 1])
  Buffer<uint8_t> has_come;  // [records]
  size_t num_coming = 0;     // of these, those that no request of the round wants
  Buffer<uint32_t> unused;   // entries that may be in no slot, and wanted by nobody

  // Rows in slots, to be copied by several threads, a chunk each.
  std::vector<std::pair<uint32_t, size_t>> chunks;  // request, first row
  std::atomic<size_t> next_chunk = 0, copied_chunks = 0;
  bool is_copied() const { return copied_chunks.load(std::memory_order_acquire) == chunks.size(); }

  // All that coming batches want and is in no slot, by record, where that is less than what is read.
  bool has_wanted = false;
  Buffer<Coming> wanted;

  // Records that came while rows were copied.
  Buffer<uint32_t> entries_aside;
  Buffer<std::byte> aside;
};

ReadStats& ReadStats::operator+=(const ReadStats& other) {
  rows += other.rows;
  records += other.records;
  along += other.along;
  evictions += other.evictions;
  reads += other.reads;
  bytes += other.bytes;
  seconds += other.seconds;
  return *this;
}

DiskRecords::DiskRecords(std::string table, const std::string& path, const RecordLayout& layout, uint64_t num_records,
                         const Settings& settings)
    : table_(std::move(table)),
      layout_(layout),
      num_records_(num_records),
      cost_(settings.cost),
      reads_ahead_(settings.reads_ahead),
      slots_(settings.slots),
      checksums_(settings.checksums),
      file_(path),
      reads_(settings.engine),
      directory_(num_records, slots_for(settings.pool_bytes, layout.size, num_records)),
      frequencies_(num_records, kCountersEach * slots_for(settings.pool_bytes, layout.size, num_records)),
      pool_(slots_for(settings.pool_bytes, layout.size, num_records), layout.size) {
  layout.check(table_);
  if (num_records >= kMostRecords) throw CorruptStore("table " + table_ + " has more records than a pool can number");
  if (file_.size() != num_records * layout.size)
    throw CorruptStore(path + " holds " + std::to_string(file_.size()) + " bytes, expected " +
                       std::to_string(num_records * layout.size));
}

ReadStats DiskRecords::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

Pool::Use DiskRecords::next_use(const Directory::Entry& entry) const {
  if (entry.wanted() != 0) return Pool::at_place(window_.first_of(entry.wanted()));
  return Pool::idle(frequencies_[entry.record()]);
}

void DiskRecords::prefetch_use(const Directory::Entry& entry) const {
  if (entry.slot >= kForgotten) return;
  pool_.prefetch_use(entry.slot);
  frequencies_.prefetch(entry.record());
}

void DiskRecords::count_use(uint64_t record) {
  if (frequencies_.add(record)) pool_.halve_frequencies();
}

// The request's entries; use(entry, number) for each.
template <class Use>
void DiskRecords::add_each(Request& request, Use use) {
  request.entries.resize(request.records.size());
  directory_.add_each(
      request.records, [&](uint64_t record) { frequencies_.prefetch(record); },
      [&](const Directory::Entry& entry) { pool_.prefetch_use(entry.slot); },
      [&](size_t i, uint32_t number) { use(directory_[request.entries[i] = number], number); });
}

size_t DiskRecords::can_foresee(size_t rows) const {
  if (pool_.num_slots() == 0) return 0;
  return Window::kMost * std::max<size_t>(pool_.num_slots() / kPlacesAPool / std::max<size_t>(rows, 1), 1);
}

bool DiskRecords::enter(Request& request) {
  const std::lock_guard lock(mutex_);
  request.seat = window_.enter(request.records.size(), pool_.num_slots() / kPlacesAPool);
  if (!request.seat) return false;
  const auto [place, order] = *request.seat;
  const uint64_t bit = request.seat->bit();
  add_each(request, [&](Directory::Entry& entry, uint32_t number) {
    count_use(entry.record());
    entry.set_order(order);
    if ((entry.word & bit) != 0) return;
    if (entry.slot == kNone && entry.wanted() == 0) missing_[place].push_back(number);
    entry.word |= bit;
    if (entry.slot != kNone && entry.wanted() == bit) pool_.set_use(entry.slot, Pool::at_place(place));
  });
  return true;
}

void DiskRecords::leave(Request& request) {
  const std::lock_guard lock(mutex_);
  take_out(request);
}

void DiskRecords::take_out(Request& request) {
  if (!request.seat) return;
  for (size_t i = 0; i < request.entries.size(); ++i) {
    const uint32_t number = request.entries[i];
    if (!directory_.is_of(number, static_cast<uint64_t>(request.records[i]))) continue;
    Directory::Entry& entry = directory_[number];
    if (!release(entry, *request.seat)) continue;
    if (entry.slot != kNone) pool_.set_use(entry.slot, next_use(entry));
    forget_if_unused(number);
  }
  leave_window(request);
}

// Whether a record is no longer wanted at the place of a batch that goes. Where another place wants it, too, nobody
// knows which batch of this one is the last that does; any will do.
bool DiskRecords::release(Directory::Entry& entry, const Window::Seat& seat) {
  const uint64_t bit = seat.bit();
  if ((entry.word & bit) == 0 || (entry.wanted() == bit && entry.order() > seat.order)) return false;
  entry.word &= ~bit;
  entry.set_order(0);
  return true;
}

void DiskRecords::leave_window(Request& request) {
  if (window_.leave(*request.seat)) missing_[request.seat->place].clear();
  request.seat.reset();
}

// An entry may be forgotten twice: nothing is added in between.
void DiskRecords::forget_if_unused(uint32_t number) {
  Directory::Entry& entry = directory_[number];
  if (entry.slot != kNone || entry.wanted() != 0) return;
  directory_.remove(number);
}

ReadStats DiskRecords::gather(std::span<const int64_t> records, FeatureRows& out, unsigned num_threads) {
  Request request{records, {}, {}};
  Request* const requests[] = {&request};
  FeatureRows* const outs[] = {&out};
  return read(requests, outs, num_threads);
}

ReadStats DiskRecords::read(std::span<Request* const> requests, std::span<FeatureRows* const> out, unsigned num_threads,
                            const std::atomic<bool>* cancelled) {
  if (requests.size() > kMostTogether) throw std::invalid_argument("too many batches to read at once");
  const std::lock_guard lock(mutex_);
  bool has_read_ahead = false;
  try {
    return read_once(requests, out, num_threads, cancelled, reads_ahead_, has_read_ahead);
  } catch (const Cancelled&) {
    throw;
  } catch (...) {
    if (!has_read_ahead) throw;
  }
  // What failed may be another batch's.
  return read_once(requests, out, num_threads, cancelled, false, has_read_ahead);
}

ReadStats DiskRecords::read_once(std::span<Request* const> requests, std::span<FeatureRows* const> out,
                                 unsigned num_threads, const std::atomic<bool>* cancelled, bool reads_ahead,
                                 bool& has_read_ahead) {
  Round round(requests, out, cancelled);
  try {
    for (size_t i = 0; i < requests.size(); ++i) locate(round, i);
    admit(round);
    if (reads_ahead) add_coming(round);
    has_read_ahead = round.num_coming != 0;
    round.has_come.resize(round.records.size());
    std::fill_n(round.has_come.data(), round.has_come.size(), uint8_t{0});
    round.stats.records += round.records.size();
    const size_t bytes = (round.stats.rows - round.misses.size()) * layout_.size;
    const size_t threads = std::clamp<size_t>(bytes / kWorthAThread, 1, std::max(num_threads, 1U));
    if (round.misses.empty() || bytes < kWorthAThread) {
      in_parallel(threads, [&](size_t) { copy_chunks(round); });
      fetch(round);
    } else {
      in_parallel(1 + threads, [&](size_t i) { i == 0 ? fetch(round) : copy_chunks(round); });
    }
  } catch (...) {
    for (Request* request : requests) take_out(*request);
    settle(round);
    throw;
  }
  settle(round);
  stats_ += round.stats;
  return round.stats;
}

// Replaces the request's entries by slots, kNone for a miss.
void DiskRecords::locate(Round& round, size_t which) {
  Request& request = *round.requests[which];
  const size_t size = request.records.size();
  if (!request.seat) {
    add_each(request, [&](const Directory::Entry& entry, uint32_t) { count_use(entry.record()); });
  }
  Buffer<Miss>& misses = round.misses;
  size_t num_misses = misses.size();
  misses.resize(num_misses + size);
  for (size_t i = 0; i < size; ++i) {
    if (i + 2 * kAheadEntries < size) directory_.prefetch(request.entries[i + 2 * kAheadEntries]);
    if (i + kAheadEntries < size) prefetch_use(directory_[request.entries[i + kAheadEntries]]);
    uint32_t number = request.entries[i];
    const auto record = static_cast<uint64_t>(request.records[i]);
    if (!directory_.is_of(number, record)) number = directory_.add(record);
    Directory::Entry& entry = directory_[number];
    const bool changes = !request.seat || release(entry, *request.seat);
    if (entry.slot != kNone && changes) pool_.set_use(entry.slot, next_use(entry));
    request.entries[i] = entry.slot;
    misses[num_misses] = {record << Miss::kRequestBits | which, static_cast<uint32_t>(i), number};
    num_misses += entry.slot == kNone;
  }
  misses.resize(num_misses);
  if (request.seat) leave_window(request);
  for (size_t begin = 0; begin < size; begin += kChunk) round.chunks.emplace_back(static_cast<uint32_t>(which), begin);
  round.stats.rows += size;
}

// Decides which of the misses will be kept, in the order of their records.
void DiskRecords::admit(Round& round) {
  Buffer<Miss> room;
  radix_sort(round.misses, room, static_cast<unsigned>(std::bit_width(num_records_)),
             [](const Miss& miss) { return miss.record(); });
  const Buffer<Miss>& misses = round.misses;
  for (size_t i = 0; i < misses.size(); ++i) {
    if (i != 0 && misses[i].record() == misses[i - 1].record()) continue;
    round.first.push_back(i);
    round.records.push_back(misses[i].record());
    round.entries.push_back(misses[i].entry);
    take_slot(round, misses[i].entry);
  }
  round.first.push_back(misses.size());
}

size_t DiskRecords::num_missing() const {
  size_t count = 0;
  for (const Buffer<uint32_t>& missing : missing_) count += missing.size();
  return count;
}

// In the order of their records, those of the next batches, and of as many as may have room.
Buffer<DiskRecords::Coming> DiskRecords::coming_records(size_t room) {
  Buffer<Coming> coming;
  for (unsigned distance = 0; distance < kPlaces && coming.size() < room; ++distance) {
    const Buffer<uint32_t>& missing = missing_[window_.place_at(distance)];
    const size_t before = coming.size();
    for (size_t i = 0; i < missing.size(); ++i) {
      if (i + kAheadEntries < missing.size()) directory_.prefetch(missing[i + kAheadEntries]);
      const Directory::Entry& entry = directory_[missing[i]];
      if (entry.slot == kNone && entry.wanted() != 0) coming.push_back({entry.record(), missing[i], false});
    }
    if (coming.size() > room)
      for (size_t i = before; i < coming.size(); ++i) coming[i].is_farthest = true;
  }
  Buffer<Coming> other;
  radix_sort(coming, other, static_cast<unsigned>(std::bit_width(num_records_)),
             [](const Coming& one) { return one.record; });
  return coming;
}

// Adds the records of coming batches that cost less now, beside those that must be read, than together later. They take
// slots of records that no batch of the window wants; where these are few, the next batches' are taken first.
void DiskRecords::add_coming(Round& round) {
  size_t room = pool_.num_spare();
  if (room == 0 || round.records.empty()) return;
  const double near = 2 * static_cast<double>(cost_.bytes_a_read()) + static_cast<double>(file_.block_size());
  if (near * static_cast<double>(round.records.size()) < kShareNear * static_cast<double>(file_.size())) return;
  const Buffer<Coming> coming = coming_records(room);
  if (coming.empty()) return;

  const size_t num_needed = round.records.size(), num_all = num_needed + coming.size();
  Buffer<uint64_t> records(num_all);
  Buffer<uint8_t> now(num_all);
  Buffer<uint32_t> which(num_all);  // of the coming ones; kNone where the record is needed
  size_t size = 0;
  for (size_t i = 0, j = 0; i < num_needed || j < coming.size(); ++size) {
    const bool is_needed = j == coming.size() || (i < num_needed && round.records[i] <= coming[j].record);
    records[size] = is_needed ? round.records[i] : coming[j].record;
    now[size] = is_needed;
    which[size] = is_needed ? kNone : static_cast<uint32_t>(j);
    while (j < coming.size() && coming[j].record == records[size]) ++j;  // an entry may have been used again
    i += is_needed;
  }
  choose_now({records.data(), size}, {now.data(), size}, layout_.size, file_, cost_);

  for (size_t k = 0; k < size; ++k) room -= now[k] && which[k] != kNone && !coming[which[k]].is_farthest;
  Buffer<uint64_t> first;
  Buffer<uint32_t> entries;
  size_t end = 0, needed = 0;
  for (size_t k = 0; k < size; ++k) {
    const Coming* const one = which[k] == kNone ? nullptr : &coming[which[k]];
    if (one != nullptr) {
      if (!now[k] || (one->is_farthest && room == 0)) continue;
      room -= one->is_farthest;
      take_slot(round, one->entry);
      ++round.num_coming;
    }
    records[end++] = records[k];
    entries.push_back(one == nullptr ? round.entries[needed] : one->entry);
    first.push_back(round.first[needed]);
    needed += one == nullptr;
  }
  records.resize(end);
  first.push_back(round.first[needed]);
  std::swap(round.records, records);
  std::swap(round.entries, entries);
  std::swap(round.first, first);
}

// Whether a record that is in no slot may take one.
bool DiskRecords::take_slot(Round& round, uint32_t number) {
  Directory::Entry& entry = directory_[number];
  const Pool::Use use = next_use(entry);
  const uint32_t slot = pool_.room_for(use, window_);
  if (slot == kNone) return false;
  const uint32_t owner = pool_.owner(slot);
  if (owner != kNone) {
    round.unused.push_back(owner);
    directory_[owner].slot = kNone;
    ++round.stats.evictions;
  }
  entry.slot = slot;
  pool_.put(slot, number, use);
  return true;
}

void DiskRecords::copy_chunks(Round& round) {
  for (;;) {
    const size_t chunk = round.next_chunk.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= round.chunks.size()) return;
    const auto [which, begin] = round.chunks[chunk];
    const Buffer<uint32_t>& slots = round.requests[which]->entries;
    FeatureRows& out = *round.out[which];
    const size_t end = std::min(begin + kChunk, slots.size());
    for (size_t i = begin; i < end; ++i) {
      if (i + kAhead < end && slots[i + kAhead] != kNone) layout_.prefetch(pool_.record(slots[i + kAhead]));
      if (slots[i] != kNone) layout_.decode(pool_.record(slots[i]), i, out);
    }
    order_copies();
    round.copied_chunks.fetch_add(1, std::memory_order_release);
  }
}

void DiskRecords::fetch(Round& round) {
  if (round.records.empty()) return;
  const auto begin = std::chrono::steady_clock::now();
  try {
    const std::vector<Extent> extents =
        plan_extents({round.records.data(), round.records.size()}, layout_.size, file_, cost_);
    std::vector<ManyReads::Read> reads;
    reads.reserve(extents.size());
    for (const Extent& extent : extents) {
      reads.push_back({&file_, extent.offset, extent.length});
      round.stats.bytes += extent.length;
    }
    round.stats.reads += reads.size();
    // To look for each record that is read among those that are wanted costs more than to sort these.
    round.has_wanted = reads_ahead_ && kSortedEach * num_missing() < round.stats.bytes / layout_.size;
    if (round.has_wanted) round.wanted = coming_records(SIZE_MAX);
    reads_.run(reads, [&](size_t i, const std::byte* bytes) { arrived(round, extents[i], bytes); });
  } catch (const IoError& error) {
    const uint64_t* first = std::partition_point(round.records.begin(), round.records.end(), [&](uint64_t record) {
      return (record + 1) * layout_.size <= error.offset;
    });
    throw IoError(error, "table " + table_ + ", row " +
                             std::to_string(row_of(slots_, *std::min(first, round.records.end() - 1))));
  }
  round.stats.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void DiskRecords::arrived(Round& round, const Extent& extent, const std::byte* bytes) {
  if (round.cancelled != nullptr && round.cancelled->load(std::memory_order_relaxed)) throw Cancelled();
  if (!checksums_.empty())
    RecordChecksums{file_.path(), file_.size(), layout_.size, checksums_, slots_}.check_blocks(
        {bytes, extent.length}, extent.offset / kChecksumBlock);
  const auto record_in = [&](uint64_t record) { return bytes + (record * layout_.size - extent.offset); };
  for (size_t j = extent.first; j < extent.last; ++j) {
    const std::byte* record = record_in(round.records[j]);
    for (size_t m = round.first[j]; m < round.first[j + 1]; ++m)
      layout_.decode(record, round.misses[m].row, *round.out[round.misses[m].request()]);
  }
  order_copies();
  for (size_t j = extent.first; j < extent.last; ++j) {
    keep(round, round.entries[j], record_in(round.records[j]));
    round.has_come[j] = 1;
  }
  if (reads_ahead_ && pool_.num_slots() != 0) keep_along(round, extent, bytes);
}

// Slots are written only when nothing is copied any more from what they held before; until then records are put aside.
void DiskRecords::keep(Round& round, uint32_t number, const std::byte* record) {
  if (directory_[number].slot == kNone) return;
  if (!round.is_copied() && round.aside.size() + layout_.size <= kAside) {
    const size_t end = round.aside.size();
    round.aside.resize(end + layout_.size);
    std::memcpy(round.aside.data() + end, record, layout_.size);
    round.entries_aside.push_back(number);
    return;
  }
  copy_chunks(round);
  while (!round.is_copied()) std::this_thread::yield();
  empty_aside(round);
  std::memcpy(pool_.record(directory_[number].slot), record, layout_.size);
}

void DiskRecords::empty_aside(Round& round) {
  for (size_t i = 0; i < round.entries_aside.size(); ++i) {
    const uint32_t slot = directory_[round.entries_aside[i]].slot;
    if (slot != kNone) std::memcpy(pool_.record(slot), round.aside.data() + i * layout_.size, layout_.size);
  }
  round.entries_aside.clear();
  round.aside.clear();
}

void DiskRecords::keep_along(Round& round, const Extent& extent, const std::byte* bytes) {
  const uint64_t size = layout_.size;
  const uint64_t begin = (extent.offset + size - 1) / size, end = (extent.offset + extent.length) / size;
  if (round.has_wanted) {
    const Coming* one = std::partition_point(round.wanted.begin(), round.wanted.end(),
                                             [&](const Coming& coming) { return coming.record < begin; });
    for (; one != round.wanted.end() && one->record < end; ++one)
      keep_one_along(round, one->entry, bytes + (one->record * size - extent.offset));
    return;
  }
  constexpr uint64_t kLag = 8;
  for (uint64_t record = begin; record < end; ++record) {
    if (record + 2 * kLag < end) directory_.prefetch_bucket(record + 2 * kLag);
    if (record + kLag < end) directory_.prefetch_first(record + kLag);
    const uint32_t number = directory_.find(record);
    if (number != kNone) keep_one_along(round, number, bytes + (record * size - extent.offset));
  }
}

void DiskRecords::keep_one_along(Round& round, uint32_t number, const std::byte* record) {
  const Directory::Entry& entry = directory_[number];
  if (entry.slot != kNone || entry.wanted() == 0 || !take_slot(round, number)) return;
  keep(round, number, record);
  ++round.stats.along;
}

// Forgets what is neither in the pool nor wanted; what did not come, because reading failed, is not in the pool.
void DiskRecords::settle(Round& round) {
  empty_aside(round);
  for (size_t j = 0; j < round.records.size(); ++j) {
    Directory::Entry& entry = directory_[round.entries[j]];
    if ((j < round.has_come.size() && round.has_come[j]) || entry.slot == kNone) continue;
    pool_.drop(entry.slot);
    entry.slot = kNone;
  }
  for (const Miss& miss : round.misses) forget_if_unused(miss.entry);
  for (uint32_t number : round.unused) forget_if_unused(number);
}

}  // namespace relhop
