// Numbers of one order as those of another, where runs of them keep together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace relhop {

// out[i] = numbers[i] + shifts[r], where r is the last run that begins at or below numbers[i]. `begins` ascend; none of
// the numbers lies below the first.
void renumber(std::span<const int64_t> numbers, std::span<const int64_t> begins, std::span<const int64_t> shifts,
              int64_t* out);

}  // namespace relhop
