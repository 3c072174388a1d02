#include "io/two_plans.h"

#include <algorithm>

#include "io/extents.h"

namespace relhop {
namespace {

constexpr int64_t kNever = INT64_MAX / 4;

// How the cheapest two plans of the records up to one come to it: whether the one before is in the same plan.
enum From : uint8_t { kNowFromNow = 1, kLaterFromLater = 2 };

}  // namespace

// The cheapest way in which the last record is in the plan of now, and that in which it is in the other, follow from
// the same two of the record before: a record goes on with its neighbor's read or begins another one.
void choose_now(std::span<const uint64_t> records, std::span<uint8_t> now, uint64_t record_size, const DirectFile& file,
                const DeviceCost& cost) {
  if (records.empty()) return;
  const BlocksOf blocks(record_size, file);
  const int64_t read = cost.bytes_a_read();
  int64_t of_now = 0, of_later = 0;
  uint64_t last_end = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    const bool must = now[i] != 0;
    const uint64_t begin = blocks.begin(records[i]), end = blocks.end(records[i]);
    const int64_t another = read + static_cast<int64_t>(end - begin);
    const int64_t gap = begin > last_end ? static_cast<int64_t>(begin - last_end) : 0;
    const int64_t same = i == 0 ? another : std::min(gap, read) + static_cast<int64_t>(end - std::max(begin, last_end));
    const int64_t now_same = of_now + same, now_other = of_later + another;
    const int64_t later_same = of_later + same, later_other = of_now + another;
    now[i] = static_cast<uint8_t>((now_same < now_other ? kNowFromNow : 0) |
                                  (later_same <= later_other ? kLaterFromLater : 0));
    of_now = std::min(now_same, now_other);
    of_later = must ? kNever : std::min({later_same, later_other, kNever});
    last_end = end;
  }
  bool is_now = of_now < of_later;
  for (size_t i = records.size(); i > 0; --i) {
    const uint8_t from = now[i - 1];
    now[i - 1] = is_now;
    is_now = is_now ? (from & kNowFromNow) != 0 : (from & kLaterFromLater) == 0;
  }
}

}  // namespace relhop
