#include "base/crc32c.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace relhop {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][b]: what byte b does to the checksum when k more bytes follow it.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k)
    for (uint32_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xFF];
  return tables;
}

constinit const Tables kTables = make_tables();

uint64_t load_word(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

uint32_t by_table(const std::byte* bytes, size_t size) {
  uint32_t crc = ~0u;
  for (; size >= 8; bytes += 8, size -= 8) {
    const uint64_t word = load_word(bytes) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xFF];
  }
  for (; size > 0; ++bytes, --size) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(*bytes)) & 0xFF];
  return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) uint32_t by_instruction(const std::byte* bytes, size_t size) {
  uint64_t crc = ~0u;
  for (; size >= 8; bytes += 8, size -= 8) crc = _mm_crc32_u64(crc, load_word(bytes));
  auto rest = static_cast<uint32_t>(crc);
  for (; size > 0; ++bytes, --size) rest = _mm_crc32_u8(rest, static_cast<uint8_t>(*bytes));
  return ~rest;
}

// An instruction waits three cycles for the one before it: so three blocks side by side take the time of one.
__attribute__((target("sse4.2"))) void three_by_instruction(const std::byte* bytes, size_t size, uint32_t* checksums) {
  uint64_t a = ~0u, b = ~0u, c = ~0u;
  for (size_t at = 0; at < size; at += 8) {
    a = _mm_crc32_u64(a, load_word(bytes + at));
    b = _mm_crc32_u64(b, load_word(bytes + size + at));
    c = _mm_crc32_u64(c, load_word(bytes + 2 * size + at));
  }
  checksums[0] = ~static_cast<uint32_t>(a);
  checksums[1] = ~static_cast<uint32_t>(b);
  checksums[2] = ~static_cast<uint32_t>(c);
}

bool has_instruction() { return __builtin_cpu_supports("sse4.2"); }

#else

uint32_t by_instruction(const std::byte* bytes, size_t size) { return by_table(bytes, size); }
void three_by_instruction(const std::byte*, size_t, uint32_t*) {}
bool has_instruction() { return false; }

#endif

}  // namespace

void crc32c_blocks(std::span<const std::byte> bytes, size_t block_bytes, uint32_t* checksums, bool portable) {
  const bool fast = !portable && has_instruction();
  while (!bytes.empty()) {
    if (fast && block_bytes % 8 == 0 && bytes.size() >= 3 * block_bytes) {
      three_by_instruction(bytes.data(), block_bytes, checksums);
      checksums += 3;
      bytes = bytes.subspan(3 * block_bytes);
      continue;
    }
    const size_t size = std::min(block_bytes, bytes.size());
    *checksums++ = fast ? by_instruction(bytes.data(), size) : by_table(bytes.data(), size);
    bytes = bytes.subspan(size);
  }
}

}  // namespace relhop
