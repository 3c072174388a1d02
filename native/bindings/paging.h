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
  PageReader reader;  // for what Python asks for; native threads have their own
};

// A column and the pool that it needs.
struct SharedPaged {
  std::shared_ptr<SharedPool> pool;
  PagedRows rows;
};

}  // namespace relhop
