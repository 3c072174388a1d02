// What this machine's memory allows: random loads, and the replay of a sample's accesses with nothing else around them.
// Compiled on the fly by benchmarks/limits.py. Trusts its caller: no argument is checked.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

// Well mixed places without a load: the i-th of a sequence.
inline uint64_t place(uint64_t i) {
  i *= 0x9E3779B97F4A7C15;
  i ^= i >> 29;
  i *= 0xBF58476D1CE4E5B9;
  return i ^ (i >> 32);
}

template <class T>
struct Plain {
  const T* data;
  uint64_t operator[](uint64_t i) const { return data[i]; }
  void prefetch(uint64_t i) const { __builtin_prefetch(data + i); }
};

struct Packed {
  const uint8_t* data;
  uint64_t width, mask;
  uint64_t operator[](uint64_t i) const {
    uint64_t word;
    std::memcpy(&word, data + (i * width >> 3), sizeof word);
    return (word >> (i * width & 7)) & mask;
  }
  void prefetch(uint64_t i) const { __builtin_prefetch(data + (i * width >> 3)); }
};

constexpr uint32_t kNew = uint32_t{1} << 31;

using RowEntry = uint32_t;  // a number
using KeyEntry = uint64_t;  // a key above a number

}  // namespace

extern "C" {

// One hop along one edge type. Of row i, the next counts[i] picks were chosen: places in its list, and kNew where the
// neighbor is found for the first time.
struct Step {
  const int64_t* rows;
  const uint32_t* counts;
  const uint32_t* visible;  // [rows]: how much of the list the seed may see; null where that is all
  const int64_t* seeds;     // [rows]: whose neighborhood it is; null where all share one
  const uint32_t* picks;
  uint64_t num_rows;
  uint64_t max_count;
  const void* offsets;  // null: row i has one neighbor, the i-th
  const void* neighbors;
  uint64_t offset_width, neighbor_width;  // 0: not packed, 32-bit
  void* table;                            // neighbor -> number among the found: RowEntry, or KeyEntry where it has keys
  uint64_t table_mask;
  uint64_t table_has_keys;
  const int64_t* origins;  // [rows]: the neighbors' numbers, where they are known and nothing is read; else null
  uint64_t first_target;
  int64_t* found;       // of the found table
  int64_t* batch;       // of the found table: each node's seed
  uint64_t* num_found;  // of the found table
  int64_t* source;
  int64_t* target;
};
}

namespace {

template <class Entry, class Offsets, class Neighbors>
uint64_t replay_step(const Step& step, Offsets offsets, Neighbors neighbors, uint64_t group) {
  const bool lists = step.offsets != nullptr;
  auto* const table = static_cast<Entry*>(step.table);
  const uint64_t groups = (step.num_rows + group - 1) / group;
  const uint64_t room = group * step.max_count;
  static thread_local std::vector<uint64_t> begins;
  static thread_local std::vector<uint32_t> values;
  if (begins.size() < 2 * group) begins.resize(2 * group);
  if (values.size() < 2 * room) values.resize(2 * room);
  // What is chosen is read twice, a group apart; each stage has its own place in the picks.
  const uint32_t *asked = step.picks, *read = step.picks, *written = step.picks;
  uint64_t num_found = *step.num_found, seen = 0, edge = 0;
  // Four groups are under way at once, each waiting for other loads than the next.
  for (uint64_t round = 0; round < groups + 3; ++round) {
    if (round < groups && lists) {
      const uint64_t end = std::min(step.num_rows, (round + 1) * group);
      for (uint64_t i = round * group; i < end; ++i) offsets.prefetch(step.rows[i]);
    }
    if (round >= 1 && round - 1 < groups) {
      const uint64_t g = round - 1, end = std::min(step.num_rows, (g + 1) * group);
      uint64_t* begin = begins.data() + g % 2 * group;
      for (uint64_t i = g * group; i < end; ++i, ++begin) {
        *begin = lists ? offsets[step.rows[i]] : step.rows[i];
        if (step.visible != nullptr && step.visible[i] != 0) neighbors.prefetch(*begin + step.visible[i] - 1);
        for (uint32_t k = 0; k < step.counts[i]; ++k) neighbors.prefetch(*begin + (*asked++ & ~kNew));
      }
    }
    if (round >= 2 && round - 2 < groups) {
      const uint64_t g = round - 2, end = std::min(step.num_rows, (g + 1) * group);
      const uint64_t* begin = begins.data() + g % 2 * group;
      uint32_t* value = values.data() + g % 2 * room;
      for (uint64_t i = g * group; i < end; ++i, ++begin) {
        if (step.visible != nullptr && step.visible[i] != 0) seen += neighbors[*begin + step.visible[i] - 1];
        for (uint32_t k = 0; k < step.counts[i]; ++k, ++value) {
          *value = static_cast<uint32_t>(neighbors[*begin + (*read++ & ~kNew)]);
          __builtin_prefetch(table + (*value & step.table_mask), 1);
        }
      }
    }
    if (round >= 3) {
      const uint64_t g = round - 3, end = std::min(step.num_rows, (g + 1) * group);
      const uint32_t* value = values.data() + g % 2 * room;
      int64_t *const found = step.found, *const batch = step.seeds == nullptr ? nullptr : step.batch;
      for (uint64_t i = g * group; i < end; ++i) {
        const uint32_t count = step.counts[i];
        const int64_t seed = batch == nullptr ? 0 : step.seeds[i];
        for (uint32_t k = 0; k < count; ++k, ++value, ++edge) {
          Entry& entry = table[*value & step.table_mask];
          const bool is_new = (*written++ & kNew) != 0;
          found[num_found] = *value;
          if (batch != nullptr) batch[num_found] = seed;
          entry = is_new ? static_cast<Entry>(uint64_t{*value} << 32 | num_found) : entry;
          num_found += is_new;
          step.source[edge] = static_cast<uint32_t>(entry);
          step.target[edge] = static_cast<int64_t>(step.first_target + i);
        }
      }
    }
  }
  *step.num_found = num_found;
  return seen;
}

// Of rows with one neighbor each that is known, as they were found in its list.
void return_to_origins(const Step& step) {
  for (uint64_t i = 0; i < step.num_rows; ++i) {
    step.source[i] = step.origins[i];
    step.target[i] = static_cast<int64_t>(step.first_target + i);
  }
}

Packed packed(const void* data, uint64_t width) {
  return {static_cast<const uint8_t*>(data), width, (uint64_t{1} << width) - 1};
}

template <class Entry>
uint64_t replay_as_stored(const Step& step, uint64_t group) {
  if (step.neighbor_width != 0)
    return replay_step<Entry>(step, packed(step.offsets, step.offset_width),
                              packed(step.neighbors, step.neighbor_width), group);
  return replay_step<Entry>(step, Plain<uint32_t>{static_cast<const uint32_t*>(step.offsets)},
                            Plain<uint32_t>{static_cast<const uint32_t*>(step.neighbors)}, group);
}

}  // namespace

extern "C" {

// The sum of `count` random words of data[mask + 1], `distance` prefetches ahead.
uint64_t random_loads(const uint64_t* data, uint64_t mask, uint64_t count, uint64_t distance, uint64_t seed) {
  uint64_t sum = 0;
  for (uint64_t i = seed; i < seed + count; ++i) {
    __builtin_prefetch(data + (place(i + distance) & mask));
    sum += data[place(i) & mask];
  }
  return sum;
}

// The same, each place depending on the word before.
uint64_t dependent_loads(const uint64_t* data, uint64_t mask, uint64_t count, uint64_t seed) {
  uint64_t sum = seed;
  for (uint64_t i = 0; i < count; ++i) sum += data[place(sum) & mask];
  return sum;
}

// Copies rows of row_bytes bytes, each asked for `distance` rows before.
void gather(const uint8_t* matrix, uint64_t row_bytes, const int64_t* rows, uint64_t count, uint64_t distance,
            uint8_t* out) {
  for (uint64_t i = 0; i < count; ++i) {
    if (i + distance < count) {
      const uint8_t* ahead = matrix + static_cast<uint64_t>(rows[i + distance]) * row_bytes;
      for (uint64_t byte = 0; byte < row_bytes; byte += 64) __builtin_prefetch(ahead + byte);
    }
    std::memcpy(out + i * row_bytes, matrix + static_cast<uint64_t>(rows[i]) * row_bytes, row_bytes);
  }
}

// Reads two places for each of `count` anchor times, where a search for it ends: its block, and its word of the stream.
// The sum of what was read.
uint64_t read_times(const uint8_t* blocks, const int64_t* block_bytes, const uint8_t* stream,
                    const int64_t* stream_bytes, uint64_t count) {
  constexpr uint64_t kAhead = 16;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count + kAhead; ++i) {
    if (i < count) {
      __builtin_prefetch(blocks + block_bytes[i]);
      __builtin_prefetch(stream + stream_bytes[i]);
    }
    if (i < kAhead) continue;
    uint64_t block, word;
    std::memcpy(&block, blocks + block_bytes[i - kAhead], sizeof block);
    std::memcpy(&word, stream + stream_bytes[i - kAhead], sizeof word);
    sum += block + word;
  }
  return sum;
}

// Replays steps, `group` rows at a time; returns the sum of what was read at the ends of visible prefixes.
uint64_t replay(const Step* steps, uint64_t num_steps, uint64_t group) {
  uint64_t seen = 0;
  for (const Step* step = steps; step != steps + num_steps; ++step) {
    if (step->origins != nullptr)
      return_to_origins(*step);
    else
      seen += step->table_has_keys ? replay_as_stored<KeyEntry>(*step, group) : replay_as_stored<RowEntry>(*step, group);
  }
  return seen;
}
}
