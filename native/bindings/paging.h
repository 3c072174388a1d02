// Files behind a pool of pages, as the module's classes hold them.
#pragma once

#include <memory>
#include <mutex>

#include "paging/page_reader.h"

namespace relhop {

struct SharedPool {
  SharedPool(uint64_t bytes, const DeviceCost& cost, uint32_t page_size) : pool(bytes, cost, page_size) {}

  PagePool pool;
  std::mutex mutex;
  PageReader reader;  // for what Python asks for, and PagedElements; the sampler has its own
};

// A column and the pool that it needs.
struct SharedPaged {
  std::shared_ptr<SharedPool> pool;
  PagedRows rows;
};

// The same for native code that has no reader of its own.
class PagedElements final : public Elements {
 public:
  explicit PagedElements(SharedPaged paged) : paged_(std::move(paged)) {}

  void gather(std::span<const uint64_t> places, std::vector<uint64_t>& values) const override {
    const std::lock_guard lock(paged_.pool->mutex);
    paged_.pool->reader.gather(paged_.rows, places, values);
  }

 private:
  SharedPaged paged_;
};

}  // namespace relhop
