#include "io/uring.h"

#ifdef RELHOP_URING

#include <liburing.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "io/faults.h"

namespace relhop {
namespace {

constexpr unsigned kFiles = 64;

class Uring final : public ReadEngine {
 public:
  static std::unique_ptr<Uring> make(unsigned depth, std::span<std::byte> staging, int& error) {
    auto uring = std::unique_ptr<Uring>(new Uring);
    error = -uring->open(depth);
    if (error != 0) return nullptr;
    uring->enlist(staging);
    return uring;
  }
  ~Uring() override {
    if (is_open_) io_uring_queue_exit(&ring_);
  }

  const char* name() const override { return "io_uring"; }

  void add(const Request& request) override {
    const int index = index_of(*request.file);
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);  // never null: the ring holds as many as are on their way
    const int descriptor = index < 0 ? request.file->descriptor() : index;
    if (has_buffers_)
      io_uring_prep_read_fixed(sqe, descriptor, request.bytes, request.length, request.offset, 0);
    else
      io_uring_prep_read(sqe, descriptor, request.bytes, request.length, request.offset);
    if (index >= 0) sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, reinterpret_cast<void*>(uintptr_t{request.token}));
  }

  size_t wait(size_t least, std::span<Done> done) override {
    while (io_uring_sq_ready(&ring_) != 0 || io_uring_cq_ready(&ring_) < least) {
      const int result = io_uring_submit_and_wait(&ring_, static_cast<unsigned>(least));
      if (result >= 0 || result == -EINTR) continue;
      // Out of memory for the moment; what is done makes room.
      if ((result == -EAGAIN || result == -EBUSY) && io_uring_cq_ready(&ring_) != 0) break;
      throw std::system_error(-result, std::generic_category(), "io_uring takes no reads");
    }
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0, count = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      if (count == done.size()) break;
      done[count++] = {static_cast<uint32_t>(reinterpret_cast<uintptr_t>(io_uring_cqe_get_data(cqe))), cqe->res};
    }
    io_uring_cq_advance(&ring_, count);
    return count;
  }

 private:
  Uring() = default;

  int open(unsigned depth) {
    if (const int error = refusal("ring")) return -error;
    io_uring_params params{};
#ifdef IORING_SETUP_COOP_TASKRUN
    // What is left to do for a read that is done waits for the next call into the kernel, and interrupts nothing.
    params.flags = IORING_SETUP_COOP_TASKRUN;
#endif
    int result = io_uring_queue_init_params(depth, &ring_, &params);
    if (result == -EINVAL) {  // before Linux 5.19
      params = {};
      result = io_uring_queue_init_params(depth, &ring_, &params);
    }
    if (result < 0) return result;
    is_open_ = true;
    io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
    const bool can_read = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_READ);
    io_uring_free_probe(probe);
    return can_read ? 0 : -ENOSYS;
  }

  void enlist(std::span<std::byte> staging) {
    const iovec all{staging.data(), staging.size()};
    has_buffers_ = refusal("buffers") == 0 && io_uring_register_buffers(&ring_, &all, 1) == 0;
    std::array<int, kFiles> none;
    none.fill(-1);
    has_files_ = refusal("files") == 0 && io_uring_register_files(&ring_, none.data(), kFiles) == 0;
  }

  // The place of the file among the registered ones, or -1.
  int index_of(const DirectFile& file) {
    if (!has_files_) return -1;
    if (files_[last_] == file.id()) return static_cast<int>(last_);
    const auto found = std::find(files_.begin(), files_.end(), file.id());
    if (found == files_.end()) return enlist(file);
    last_ = static_cast<unsigned>(found - files_.begin());
    return static_cast<int>(last_);
  }

  int enlist(const DirectFile& file) {
    // Reads that were not submitted yet would take the new file for theirs.
    if (io_uring_sq_ready(&ring_) != 0) io_uring_submit(&ring_);
    if (io_uring_sq_ready(&ring_) != 0) return -1;
    const unsigned index = next_++ % kFiles;
    const int descriptor = file.descriptor();
    files_[index] = 0;
    if (io_uring_register_files_update(&ring_, index, &descriptor, 1) != 1) return -1;
    files_[index] = file.id();
    last_ = index;
    return static_cast<int>(index);
  }

  io_uring ring_{};
  bool is_open_ = false, has_buffers_ = false, has_files_ = false;
  std::array<uint64_t, kFiles> files_{};  // ids; 0: none
  unsigned last_ = 0, next_ = 0;
};

}  // namespace

std::unique_ptr<ReadEngine> make_uring(unsigned depth, std::span<std::byte> staging, int& error) {
  return Uring::make(depth, staging, error);
}

}  // namespace relhop

#else

#include <cerrno>

namespace relhop {

std::unique_ptr<ReadEngine> make_uring(unsigned, std::span<std::byte>, int& error) {
  error = ENOSYS;
  return nullptr;
}

}  // namespace relhop

#endif
