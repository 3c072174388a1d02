// Files behind a pool of pages, as the module's classes hold them.
#pragma once

#include <memory>
#include <mutex>

#include "paging/page_reader.h"

namespace relhop {

struct SharedPool {
  SharedPool(uint64_t bytes, const DeviceCost& cost, uint32_t page_size) : pool(bytes, cost, page_size) {}

  // The sampler has readers of its own; these are for others: who samples needs not wait for who gathers.
  void gather(const PagedRows& rows, std::span<const uint64_t> places, std::vector<uint64_t>& values) {
    Reader& reader = readers[0].mutex.try_lock() ? readers[0] : (readers[1].mutex.lock(), readers[1]);
    const std::lock_guard lock(reader.mutex, std::adopt_lock);
    reader.reader.gather(rows, places, values);
  }

  PagePool pool;

 private:
  struct Reader {
    std::mutex mutex;
    PageReader reader;
  };
  Reader readers[2];
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
    paged_.pool->gather(paged_.rows, places, values);
  }

 private:
  SharedPaged paged_;
};

}  // namespace relhop
