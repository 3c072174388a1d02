// CRC-32C (Castagnoli; reflected polynomial 0x82F63B78), as iSCSI has it (RFC 3720, appendix B.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace relhop {

// Of each `block_bytes` of the bytes, the last block being what is left. `portable` keeps from instructions that only
// some processors have; the result is the same.
void crc32c_blocks(std::span<const std::byte> bytes, size_t block_bytes, uint32_t* checksums, bool portable = false);

}  // namespace relhop
