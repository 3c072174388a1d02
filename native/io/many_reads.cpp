#include "io/many_reads.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "io/faults.h"
#include "io/pread_pool.h"
#include "io/staging.h"
#include "io/uring.h"

namespace relhop {
namespace {

// Done reads are handled a few at a time, and new ones started before the next few: `arrived` takes its time, in which
// the device should have enough to do.
constexpr size_t kHandled = 32;
// To wait for a share of what is on its way costs the device nothing, and saves most calls into the kernel.
constexpr size_t kShareWaitedFor = 16;
// A read is given up after so many tries that brought no whole block.
constexpr uint32_t kMostTries = 100;
constexpr unsigned kMostDepth = 4096;

struct OnTheWay {
  size_t read;  // which of the run's
  Staging::Piece piece;
  uint64_t done;  // bytes, whole blocks
  uint32_t tries;
};

uint64_t in_whole_blocks(const ManyReads::Read& read) {
  const uint64_t block = read.file->block_size();
  return (read.length + block - 1) / block * block;
}

IoError cannot_read(const ManyReads::Read& read, int error) {
  return {"cannot read " + std::to_string(read.length) + " bytes", read.file->path(), read.offset, error};
}

void check(const ManyReads::Read& read) {
  if (read.offset % read.file->block_size() != 0 || read.length == 0 || in_whole_blocks(read) > ManyReads::max_length())
    throw std::invalid_argument("cannot read " + std::to_string(read.length) + " bytes at offset " +
                                std::to_string(read.offset) + " of '" + read.file->path() +
                                "': reads begin at whole blocks and are of 1 byte to 16 MiB");
}

}  // namespace

struct ManyReads::Core {
  Core(Engine wish, unsigned depth) : staging(max_length()), reads(depth) {
    int error = 0;
    if (wish != Engine::pread) engine = make_uring(depth, staging.memory(), error);
    if (engine == nullptr && wish == Engine::io_uring)
      throw std::system_error(error, std::generic_category(), "io_uring is refused");
    if (engine == nullptr) engine = std::make_unique<PreadPool>(depth);
    free_all();
  }

  void run(std::span<const Read> all, const std::function<void(size_t, const std::byte*)>& arrived, Stats& stats) {
    for (size_t started = 0, left = all.size(); left > 0;) {
      while (started < all.size() && start(started, all[started])) ++started;
      std::array<ReadEngine::Done, kHandled> done;
      const size_t count = engine->wait(std::max<size_t>(1, handed_over / kShareWaitedFor), done);
      handed_over -= count;
      for (const auto [token, result] : std::span(done).first(count)) {
        const OnTheWay& state = reads[token];
        const Read& read = all[state.read];
        if (!is_whole(token, read, result)) continue;
        arrived(state.read, state.piece.bytes);
        ++stats.reads;
        stats.bytes += read.length;
        staging.give_back(state.piece.number);
        free.push_back(token);
        --left;
      }
    }
  }

  // Waits for what is on its way and forgets it; false where that is not possible.
  bool drain() noexcept try {
    std::array<ReadEngine::Done, kHandled> done;
    while (handed_over > 0) handed_over -= engine->wait(1, done);
    free_all();
    return true;
  } catch (...) {
    return false;
  }

  void free_all() {
    staging.give_back_all();
    free.clear();
    for (size_t token = reads.size(); token > 0; --token) free.push_back(static_cast<uint32_t>(token - 1));
  }

  void add(uint32_t token, const Read& read) {
    const OnTheWay& state = reads[token];
    ++handed_over;
    engine->add({read.file, read.offset + state.done, static_cast<uint32_t>(in_whole_blocks(read) - state.done), token,
                 state.piece.bytes + state.done});
  }

  // Starts a read where there is room for it.
  bool start(size_t i, const Read& read) {
    if (free.empty()) return false;
    const Staging::Piece piece = staging.take(in_whole_blocks(read));
    if (piece.bytes == nullptr) return false;
    const uint32_t token = free.back();
    free.pop_back();
    reads[token] = {i, piece, 0, 0};
    add(token, read);
    return true;
  }

  // Whether the read is done whole; if not, the rest of it is on its way again. Throws IoError.
  bool is_whole(uint32_t token, const Read& read, int64_t result) {
    OnTheWay& state = reads[token];
    result = result_of(read.file->path(), read.offset + state.done,
                       {state.piece.bytes + state.done, in_whole_blocks(read) - state.done}, result);
    if (result < 0 && result != -EINTR && result != -EAGAIN) throw cannot_read(read, static_cast<int>(-result));
    const uint64_t got = state.done + static_cast<uint64_t>(std::max<int64_t>(result, 0));
    if (got >= read.length) return true;
    // Direct reads begin at whole blocks: of a piece of one, nothing is kept.
    const uint64_t kept = got / read.file->block_size() * read.file->block_size();
    state.tries = kept > state.done ? 0 : state.tries + 1;
    if (result == 0 || state.tries == kMostTries) throw cannot_read(read, result < 0 ? static_cast<int>(-result) : 0);
    state.done = kept;
    add(token, read);
    return false;
  }

  Staging staging;
  std::unique_ptr<ReadEngine> engine;  // gone before the staging memory
  std::vector<OnTheWay> reads;         // by token
  std::vector<uint32_t> free;          // tokens
  size_t handed_over = 0;              // reads that the engine has
  pid_t process = ::getpid();
};

ManyReads::ManyReads(Engine engine, unsigned depth) : wish_(engine), depth_(std::clamp(depth, 1u, kMostDepth)) {
  open();
}
ManyReads::ManyReads(ManyReads&& other) noexcept = default;
ManyReads& ManyReads::operator=(ManyReads&& other) noexcept {
  std::swap(wish_, other.wish_);
  std::swap(depth_, other.depth_);
  std::swap(core_, other.core_);
  std::swap(stats_, other.stats_);
  return *this;
}
ManyReads::~ManyReads() { leave_to_parent(); }

void ManyReads::open() { core_ = std::make_unique<Core>(wish_, depth_); }

// After fork() the threads are the parent's, and so is what the ring is doing: the copy can only be left alone.
void ManyReads::leave_to_parent() {
  if (core_ != nullptr && core_->process != ::getpid()) static_cast<void>(core_.release());
}

const char* ManyReads::engine() const { return core_ == nullptr ? "none" : core_->engine->name(); }

void ManyReads::run(std::span<const Read> reads, const std::function<void(size_t, const std::byte*)>& arrived) {
  for (const Read& read : reads) check(read);
  leave_to_parent();
  if (core_ == nullptr) open();
  const auto begin = std::chrono::steady_clock::now();
  try {
    core_->run(reads, arrived, stats_);
  } catch (...) {
    // Without its core, the next run begins with a new one: an engine that cannot be waited for is closed with it.
    if (!core_->drain()) core_.reset();
    throw;
  }
  stats_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace relhop
