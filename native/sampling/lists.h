// From rows to neighbors that are chosen from their lists.
//
// A group of nodes at a time, in three steps, each of which asks for the memory of the next. While the neighbors of one
// group are chosen, the lists of the next are on their way, and the offsets of the one after that.
#pragma once

#include <algorithm>
#include <bit>
#include <span>

#include "sampling/connect.h"

namespace relhop {

template <class Table>
class ListFollower {
 public:
  ListFollower(const Expansion& expansion, ListScratch& scratch, Connector<Table>& connector)
      : expansion_(expansion),
        edges_(expansion.edges),
        scratch_(scratch),
        connector_(connector),
        share_of_row_(1 / static_cast<double>(std::max<uint64_t>(expansion.num_ordered, 1))) {}

  // Expands the nodes [first, last).
  void run(uint32_t first, uint32_t last) {
    const uint32_t size = expansion_.group, num_groups = (last - first + size - 1) / size;
    for (uint32_t i = 0; i < num_groups + 2; ++i) {
      if (i < num_groups) collect(first + i * size, std::min(first + (i + 1) * size, last), scratch_.groups[i % 3]);
      if (i >= 1 && i <= num_groups) locate(scratch_.groups[(i - 1) % 3]);
      if (i >= 2) {
        search(scratch_.groups[(i - 2) % 3]);
        choose(scratch_.groups[(i - 2) % 3].items);
      }
    }
  }

 private:
  using Item = ListScratch::Item;
  using Bound = ListScratch::Bound;
  using NearSearch = ListScratch::NearSearch;
  using FarSearch = ListScratch::FarSearch;

  static constexpr uint64_t kLineBits = 64 * 8;
  static constexpr uint64_t kNearLines = 3, kNearBits = kNearLines * kLineBits;
  static constexpr uint64_t kPiece = 1024;  // of a list that is taken whole

  void collect(uint32_t begin, uint32_t end, ListScratch::Group& group) {
    const BlockNodes& nodes = expansion_.expanded;
    const PackedRows offsets = edges_.offsets;
    const int64_t* const rows = nodes.rows.data() + nodes.begin;
    const uint32_t* const seeds = nodes.seeds.empty() ? nullptr : nodes.seeds.data() + nodes.begin;
    group.items.clear();
    for (uint32_t node = begin; node < end; ++node) {
      if (!expansion_.is_expanded(node)) continue;
      const auto row = static_cast<uint64_t>(rows[node]);
      offsets.prefetch(row);
      group.items.push_back({node, seeds == nullptr ? 0 : seeds[node], row, 0, 0});
    }
  }

  // Reads where the lists lie, and asks for where the visible parts of those end that the seed may not see whole.
  void locate(ListScratch::Group& group) {
    const PackedRows offsets = edges_.offsets;
    const uint64_t num_neighbors = edges_.order().size;
    group.near.clear();
    group.far.clear();
    for (uint32_t i = 0; i < group.items.size(); ++i) {
      Item& item = group.items[i];
      item.begin = offsets[item.row];
      item.end = offsets[item.row + 1];
      if (item.begin > item.end || item.end > num_neighbors) throw_corrupt(edges_, "offsets", item.end);
      if (item.begin == item.end) continue;
      const uint64_t cut = expansion_.order_cuts[item.seed];
      if (cut < expansion_.num_ordered) begin_search(group, i, true, cut);
      if (expansion_.low_cuts != nullptr) begin_search(group, i, false, expansion_.low_cuts[item.seed]);
    }
  }

  // A list of a few lines of memory is asked for whole. Of a longer one, rows are spread over it about as over the
  // table: the bound's place can be guessed, and is off by some sqrt(length) / 2. Where two to four times that, to both
  // sides, are a few lines, these are asked for.
  void begin_search(ListScratch::Group& group, uint32_t number, bool for_end, uint64_t bound) {
    const PackedRows order = edges_.order();
    const Item& item = group.items[number];
    const uint64_t length = item.end - item.begin;
    uint64_t first = 0, last = length;
    if (length * order.width > kNearBits) {
      const double share = static_cast<double>(bound) * share_of_row_;
      const uint64_t guess = std::min(static_cast<uint64_t>(static_cast<double>(length) * share), length - 1);
      const uint64_t margin = uint64_t{1} << (std::bit_width(length) + 1) / 2;
      if (2 * margin * order.width > kNearBits)
        return begin_far_search(group, {number, for_end, bound}, item.begin, item.end, item.begin + guess);
      first = guess - std::min(guess, margin);
      last = std::min(guess + margin, length);
    }
    const uint64_t begin = item.begin + first, size = last - first;
    for (uint64_t i = 0; i <= kNearLines; ++i) order.prefetch(begin + size * i / kNearLines);
    group.near.push_back({{number, for_end, bound}, begin, begin, size, size});
  }

  void begin_far_search(ListScratch::Group& group, const Bound& bound, uint64_t low, uint64_t high, uint64_t probe) {
    const PackedRows order = edges_.order();
    order.prefetch(probe);
    group.far.push_back({bound, low, high, probe, kLineBits / order.width, false});
  }

  void search(ListScratch::Group& group) {
    search_near(group);
    search_far(group);
  }

  // The searches go in step, without a branch that depends on what is found.
  void search_near(ListScratch::Group& group) {
    const PackedRows order = edges_.order();
    uint64_t longest = 0;
    for (const NearSearch& search : group.near) longest = std::max(longest, search.length);
    for (; longest > 0; longest /= 2)
      for (NearSearch& search : group.near) {
        const uint64_t half = (search.length + 1) / 2;
        search.length -= half;
        const uint64_t probe = search.low + half - (half != 0);
        search.low += only_if(order[probe] < search.bound, half);
      }
    for (const NearSearch& search : group.near) {
      const uint64_t end = search.begin + search.size;
      Item& item = group.items[search.item];
      if (search.low == search.begin && search.begin > item.begin)
        begin_far_search(group, search, item.begin, search.begin, search.begin - 1);
      else if (search.low == end && end < item.end)
        begin_far_search(group, search, end, item.end, end);
      else
        (search.for_end ? item.end : item.begin) = search.low;
    }
  }

  // In step, too: each asks for its next probe's memory before any of them waits for it. They go from their guess in
  // longer and longer strides until they have passed the bound, and then halve what is left.
  void search_far(ListScratch::Group& group) {
    const PackedRows order = edges_.order();
    const uint64_t line = kLineBits / order.width;
    for (bool is_first = true, going = !group.far.empty(); going; is_first = false) {
      going = false;
      for (FarSearch& search : group.far) {
        if (search.low == search.high) continue;
        const bool below = order[search.probe] < search.bound;
        (below ? search.low : search.high) = search.probe + below;
        look_along_line(search, below);
        if (search.high - search.low <= line) {
          search.low += order.count_below(search.low, search.high, search.bound);
          search.high = search.low;
          continue;
        }
        if (is_first) search.rising = below;
        const bool strides = search.stride != 0 && below == search.rising && search.high - search.low > search.stride;
        search.stride = strides ? 4 * search.stride : 0;
        const uint64_t step = strides ? search.stride / 4 : (search.high - search.low) / 2;
        search.probe = search.rising || !strides ? search.low + step : search.high - step;
        order.prefetch(search.probe);
        going = true;
      }
    }
    for (const FarSearch& search : group.far)
      (search.for_end ? group.items[search.item].end : group.items[search.item].begin) = search.low;
  }

  // What shares the probe's line of memory is there already: its farthest element on the bound's side.
  void look_along_line(FarSearch& search, bool below) const {
    constexpr uint64_t kLastLoad = kLineBits - 64;  // bits from here on may take a load that goes into the next line
    const PackedRows& order = edges_.order();
    const uint64_t bit = search.probe * order.width % kLineBits;
    const uint64_t steps = (below ? std::max(bit, kLastLoad) - bit : bit) / static_cast<uint32_t>(order.width);
    const uint64_t farthest = below ? std::min(search.probe + steps, search.high - 1)
                                    : std::max(search.probe - std::min(steps, search.probe), search.low);
    const bool is_below = order[farthest] < search.bound;
    (is_below ? search.low : search.high) = farthest + is_below;
  }

  void choose(std::span<const Item> items) {
    const Rule& rule = expansion_.rule;
    for (const Item& item : items) {
      if (item.begin >= item.end) continue;
      const uint64_t visible = item.end - item.begin;
      const int64_t wanted = expansion_.fanouts == nullptr ? rule.fanout : expansion_.fanouts[item.seed];
      const bool all = wanted < 0 || (!rule.replace && static_cast<uint64_t>(wanted) >= visible);
      const uint64_t most = all ? visible : static_cast<uint64_t>(wanted);
      if (rule.strategy != Strategy::weighted && (all || rule.strategy == Strategy::last)) {
        add_run(item, item.end - most);
        continue;
      }
      connector_.make_room(most);
      uint64_t* const places = connector_.places();
      const uint64_t count = draw(item, most, rule.replace && !all, places);
      for (uint64_t i = 0; i < count; ++i) places[i] += item.begin;
      connector_.add_places(count, item.node, item.seed);
    }
  }

  // The neighbors from `begin` to the end of what is visible.
  void add_run(const Item& item, uint64_t begin) {
    while (begin < item.end) {
      const uint64_t count = std::min(kPiece, item.end - begin);
      connector_.make_room(count);
      uint64_t* const places = connector_.places();
      for (uint64_t i = 0; i < count; ++i) places[i] = begin + i;
      connector_.add_places(count, item.node, item.seed);
      begin += count;
    }
  }

  // Writes at most k positions in the visible list, and returns how many.
  uint64_t draw(const Item& item, uint64_t k, bool replace, uint64_t* out) {
    const uint64_t n = item.end - item.begin;
    const uint64_t list_key = fold(expansion_.seed_keys[item.seed], expansion_.edge_type);
    const Stream stream(fold(list_key, item.row));
    Chooser& chooser = scratch_.chooser;
    switch (expansion_.rule.strategy) {
      case Strategy::recency:
        chooser.recency(n, k, stream, out);
        return k;
      case Strategy::last:  // a run at the end: see choose
        break;
      case Strategy::uniform:
        replace ? Chooser::uniform_repeated(n, k, stream, out) : chooser.uniform(n, k, stream, out);
        return k;
      case Strategy::weighted: {
        const double before = item.begin == edges_.offsets[item.row] ? 0 : edges_.weights[item.begin - 1];
        const auto sums = edges_.weights.subspan(item.begin, n);
        return replace ? Chooser::weighted_repeated(sums, before, k, stream, out)
                       : chooser.weighted(sums, before, k, stream, out);
      }
      case Strategy::labor:
        scratch_.ranks.resize(n);
        for (uint64_t i = 0; i < n; ++i) scratch_.ranks[i] = fold(list_key, edges_.neighbors[item.begin + i]);
        chooser.smallest(scratch_.ranks, k, out);
        return k;
    }
    return 0;
  }

  const Expansion& expansion_;
  const EdgeRows& edges_;
  ListScratch& scratch_;
  Connector<Table>& connector_;
  const double share_of_row_;  // of the rows that lists are ordered by
};

}  // namespace relhop
