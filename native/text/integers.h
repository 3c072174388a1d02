// Text of nothing but integers, told by a look at each byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace relhop {

// Whether each line after the first has `num_fields` fields between delimiters, each of which is empty or an integer:
// at most 18 digits, perhaps after a minus. Lines end as the first one does, and none is empty.
bool is_integers(std::span<const uint8_t> text, uint8_t delimiter, size_t num_fields);

}  // namespace relhop
