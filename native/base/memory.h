// Memory for the arrays of batches, used again for the next batch: fresh pages cost more than what is written to them.
// Large pieces lie on huge pages where the system gives them. Thread-safe.
#pragma once

#include <cstddef>

namespace relhop {

// At least `bytes` of memory, aligned to 64 bytes, not zeroed. Throws std::bad_alloc.
void* take_memory(size_t bytes);
// How many bytes a piece from take_memory really has.
size_t memory_size(const void* memory);
// Gives a piece back; null is allowed.
void return_memory(void* memory) noexcept;

}  // namespace relhop
