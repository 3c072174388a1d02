// Reads by io_uring: many handed to the kernel at once, and reaped at once.
#pragma once

#include <memory>
#include <span>

#include "io/read_engine.h"

namespace relhop {

// Null where the system refuses (a container's rules, an old kernel) or relhop was built without liburing; then `error`
// holds the errno. Reads go to `staging`, which outlives the ring and is registered with it where the limits on locked
// memory allow. The last 64 files that were read stay registered, and so open, until the ring is closed.
std::unique_ptr<ReadEngine> make_uring(unsigned depth, std::span<std::byte> staging, int& error);

}  // namespace relhop
