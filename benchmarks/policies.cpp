// Which of a trace's accesses a pool of some slots serves, under several policies. Compiled on the fly by
// benchmarks/compiled.py; held to slow twins by tests/test_benchmarks.py. Trusts its caller: no argument is checked.
#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

namespace {

constexpr uint32_t kNone = UINT32_MAX;

// Doubly linked lists over rows, each row in one of them at most; the front is the newest.
struct Links {
  explicit Links(uint64_t num_rows) : older(num_rows, kNone), newer(num_rows, kNone) {}
  std::vector<uint32_t> older, newer;
};

struct List {
  Links& links;
  uint32_t front = kNone, back = kNone;
  uint64_t size = 0;

  void push(uint32_t row) {
    links.older[row] = front;
    links.newer[row] = kNone;
    (front == kNone ? back : links.newer[front]) = row;
    front = row;
    ++size;
  }
  void remove(uint32_t row) {
    const uint32_t older = links.older[row], newer = links.newer[row];
    (newer == kNone ? front : links.older[newer]) = older;
    (older == kNone ? back : links.newer[older]) = newer;
    --size;
  }
  uint32_t pop() {
    const uint32_t row = back;
    remove(row);
    return row;
  }
};

}  // namespace

extern "C" {

// The optimum: of pool and arriving row, that stays out whose next use is farthest. A row may pass by.
void belady(const uint32_t* trace, uint64_t count, uint64_t num_rows, uint64_t capacity, uint8_t* hit) {
  std::vector<uint64_t> next(count), seen(num_rows, UINT64_MAX);
  for (uint64_t i = count; i-- > 0;) next[i] = std::exchange(seen[trace[i]], i);
  std::vector<uint64_t> use(num_rows, UINT64_MAX);  // of a row in the pool: where it is wanted next
  std::vector<uint8_t> cached(num_rows, 0);
  std::priority_queue<std::pair<uint64_t, uint32_t>> farthest;  // an entry counts if it is the row's `use`
  uint64_t size = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t row = trace[i];
    hit[i] = cached[row];
    if (!cached[row]) {
      if (next[i] == UINT64_MAX) continue;
      if (size == capacity) {
        while (!farthest.empty() && (!cached[farthest.top().second] || use[farthest.top().second] != farthest.top().first))
          farthest.pop();
        if (farthest.empty() || farthest.top().first <= next[i]) continue;
        cached[farthest.top().second] = 0;
        farthest.pop();
        --size;
      }
      cached[row] = 1;
      ++size;
    }
    use[row] = next[i];
    farthest.emplace(next[i], row);
  }
}

void lru(const uint32_t* trace, uint64_t count, uint64_t num_rows, uint64_t capacity, uint8_t* hit) {
  Links links(num_rows);
  List list{links};
  std::vector<uint8_t> cached(num_rows, 0);
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t row = trace[i];
    hit[i] = cached[row];
    if (cached[row]) {
      list.remove(row);
    } else {
      if (list.size == capacity) cached[list.pop()] = 0;
      cached[row] = 1;
    }
    list.push(row);
  }
}

// A hand goes around the slots; a row that was used since it last passed is passed once more.
void clock_hand(const uint32_t* trace, uint64_t count, uint64_t num_rows, uint64_t capacity, uint8_t* hit) {
  std::vector<uint32_t> slots;
  std::vector<uint8_t> cached(num_rows, 0), used(num_rows, 0);
  uint64_t hand = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t row = trace[i];
    hit[i] = cached[row];
    if (cached[row]) {
      used[row] = 1;
      continue;
    }
    cached[row] = 1;
    if (slots.size() < capacity) {
      slots.push_back(row);
      continue;
    }
    for (; used[slots[hand]]; hand = (hand + 1) % capacity) used[slots[hand]] = 0;
    cached[slots[hand]] = 0;
    slots[hand] = row;
    hand = (hand + 1) % capacity;
  }
}

// Zhang et al., NSDI 2024: a queue, newest in front, that keeps its order; the hand moves from the back to the front.
void sieve(const uint32_t* trace, uint64_t count, uint64_t num_rows, uint64_t capacity, uint8_t* hit) {
  Links links(num_rows);
  List list{links};
  std::vector<uint8_t> cached(num_rows, 0), used(num_rows, 0);
  uint32_t hand = kNone;
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t row = trace[i];
    hit[i] = cached[row];
    if (cached[row]) {
      used[row] = 1;
      continue;
    }
    if (list.size == capacity) {
      if (hand == kNone) hand = list.back;
      while (used[hand]) {
        used[hand] = 0;
        hand = links.newer[hand] == kNone ? list.back : links.newer[hand];
      }
      const uint32_t gone = std::exchange(hand, links.newer[hand]);
      list.remove(gone);
      cached[gone] = 0;
    }
    cached[row] = 1;
    list.push(row);
  }
}

// Yang et al., SOSP 2023: a small queue of a tenth of the slots, a main one, and the names of as many rows as the main
// one has slots that left the small one. A row's uses count up to three.
void s3_fifo(const uint32_t* trace, uint64_t count, uint64_t num_rows, uint64_t capacity, uint8_t* hit) {
  enum Place : uint8_t { away, in_small, in_main, ghost };
  Links links(num_rows);
  List small{links}, large{links}, ghosts{links};
  std::vector<uint8_t> place(num_rows, away), uses(num_rows, 0);
  const uint64_t of_small = capacity < 10 ? 1 : capacity / 10, of_large = capacity - of_small;
  const auto evict_large = [&] {
    for (;;) {
      const uint32_t row = large.pop();
      if (uses[row] == 0) {
        place[row] = away;
        return;
      }
      --uses[row];
      large.push(row);
    }
  };
  const auto evict_small = [&] {
    while (small.size > 0) {
      const uint32_t row = small.pop();
      if (uses[row] > 1 && of_large > 0) {
        if (large.size >= of_large) evict_large();
        uses[row] = 0;
        place[row] = in_main;
        large.push(row);
        continue;
      }
      place[row] = ghost;
      ghosts.push(row);
      if (ghosts.size > of_large) place[ghosts.pop()] = away;
      return;
    }
  };
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t row = trace[i];
    hit[i] = place[row] == in_small || place[row] == in_main;
    if (hit[i]) {
      if (uses[row] < 3) ++uses[row];
      continue;
    }
    const bool known = place[row] == ghost;
    if (known) ghosts.remove(row);
    place[row] = away;
    while (small.size + large.size >= capacity) {
      if (small.size >= of_small || large.size == 0) {
        evict_small();
      } else {
        evict_large();
      }
    }
    uses[row] = 0;
    place[row] = known && of_large > 0 ? in_main : in_small;
    (place[row] == in_main ? large : small).push(row);
  }
}
}
