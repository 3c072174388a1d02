// From rows to neighbors that are chosen from their lists, where the lists are on disk.
//
// What lists.h does a group of nodes at a time, for memory to come, this does for many nodes at once, for the device: a
// step reads what it needs of all of them together, in the order of the file. What is chosen is the same.
#pragma once

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

#include "sampling/connect.h"
#include "sampling/paged.h"

namespace relhop {

template <class Table>
class PagedListFollower {
 public:
  PagedListFollower(const Expansion& expansion, PagedScratch& scratch, Chooser& chooser, Connector<Table>& connector,
                    bool edge_ids)
      : expansion_(expansion),
        edges_(expansion.edges),
        arrays_(*expansion.edges.paged),
        scratch_(scratch),
        chooser_(chooser),
        connector_(connector),
        order_(edges_.is_timed() ? arrays_.edge_ids : arrays_.neighbors),
        reads_ids_(edges_.is_timed() || (edge_ids && arrays_.edge_ids.file != nullptr)),
        near_(PagedScratch::near(order_)) {}

  // Expands the nodes [first, last).
  void run(uint32_t first, uint32_t last) {
    for (uint32_t begin = first; begin < last; begin = std::min(begin + kPagedNodes, last)) {
      collect(begin, std::min(begin + kPagedNodes, last));
      for (size_t i = 0; i < scratch_.items.size();) {
        const size_t end = end_of_piece(i);
        piece_ = std::span(scratch_.items).subspan(i, end - i);
        find_visible();
        expansion_.rule.strategy == Strategy::weighted ? choose_weighted() : choose();
        add();
        i = end;
      }
    }
  }

 private:
  using Item = PagedScratch::Item;
  using Search = PagedScratch::Search;

  static constexpr uint64_t kNone = PagedScratch::kNone;
  static constexpr uint64_t kPiece = 1024;  // neighbors that are added at once

  // The nodes whose lists are not empty.
  void collect(uint32_t begin, uint32_t end) {
    const BlockNodes& nodes = expansion_.expanded;
    std::vector<Item>& items = scratch_.items;
    items.clear();
    scratch_.places.clear();
    for (uint32_t node = begin; node < end; ++node) {
      if (!expansion_.is_expanded(node)) continue;
      const auto row = static_cast<uint64_t>(nodes.rows[nodes.begin + node]);
      items.push_back({node, nodes.seeds.empty() ? 0 : nodes.seeds[nodes.begin + node], row, 0, 0, 0, kNone, 0, kNone});
      scratch_.places.push_back(row);
      scratch_.places.push_back(row + 1);
    }
    scratch_.gather(arrays_.offsets, scratch_.places, scratch_.values);
    size_t kept = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      Item item = items[i];
      item.list = item.begin = scratch_.values[2 * i];
      item.end = scratch_.values[2 * i + 1];
      if (item.begin > item.end || item.end > arrays_.neighbors.size) throw_corrupt(edges_, "offsets", item.end);
      if (item.begin < item.end) items[kept++] = item;
    }
    items.resize(kept);
  }

  bool is_cut(const Item& item) const {
    return expansion_.order_cuts[item.seed] < expansion_.num_ordered || expansion_.low_cuts != nullptr;
  }
  int64_t wanted(const Item& item) const {
    return expansion_.fanouts == nullptr ? expansion_.rule.fanout : expansion_.fanouts[item.seed];
  }
  uint64_t num_tries(uint64_t k) const { return expansion_.rule.replace ? k : 2 * k + 8; }

  // As many items as need about kPagedElements; one at least.
  size_t end_of_piece(size_t begin) const {
    uint64_t elements = 0;
    size_t end = begin;
    for (; end < scratch_.items.size() && (end == begin || elements < kPagedElements); ++end) {
      const Item& item = scratch_.items[end];
      const uint64_t length = item.end - item.begin;
      const uint64_t k = wanted(item) < 0 ? length : static_cast<uint64_t>(wanted(item));
      elements += expansion_.rule.replace ? k : std::min(k, length);
      if (is_cut(item)) elements += std::min(length, 2 * near_);
      if (expansion_.rule.strategy == Strategy::labor) elements += length;
      if (expansion_.rule.strategy == Strategy::weighted) elements += std::min(length, num_tries(k) * near_);
    }
    return end;
  }

  void find_visible() {
    scratch_.places.clear();
    scratch_.searches.clear();
    for (Item& item : piece_) {
      if (!is_cut(item)) continue;
      const uint64_t length = item.end - item.begin;
      if (length <= near_) {
        ask_for_list(item, 0);
        continue;
      }
      begin_search(item, expansion_.order_cuts[item.seed]);
      if (expansion_.low_cuts != nullptr) begin_search(item, expansion_.low_cuts[item.seed]);
    }
    scratch_.gather(order_, scratch_.places, scratch_.listed);
    for (Item& item : piece_) {
      if (item.known == kNone) continue;
      const uint64_t* const list = scratch_.listed.data() + item.known;
      const uint64_t* const list_end = list + (item.end - item.begin);
      const auto below = [&](uint64_t bound) {
        return static_cast<uint64_t>(std::partition_point(list, list_end, [&](uint64_t v) { return v < bound; }) -
                                     list);
      };
      const uint64_t too_old = expansion_.low_cuts == nullptr ? 0 : below(expansion_.low_cuts[item.seed]);
      item.end = item.begin + below(expansion_.order_cuts[item.seed]);
      item.begin += too_old;
      item.known += too_old;
    }
    if (!scratch_.searches.empty()) search_long_lists();
    if (edges_.is_timed()) forget_listed();
  }

  void search_long_lists() {
    scratch_.search(order_, [](const Search& search, uint64_t row) { return row < search.bound; });
    auto search = scratch_.searches.begin();
    for (Item& item : piece_) {
      if (!is_cut(item) || item.known != kNone) continue;
      item.end = (search++)->low;
      if (expansion_.low_cuts != nullptr) item.begin = (search++)->low;
    }
  }

  // What was listed of timed edges are their numbers, not the neighbors.
  void forget_listed() {
    scratch_.listed.clear();
    for (Item& item : piece_) item.known = kNone;
  }

  void ask_for_list(Item& item, uint64_t num_listed) {
    item.known = num_listed + scratch_.places.size();
    for (uint64_t place = item.begin; place < item.end; ++place) scratch_.places.push_back(place);
  }

  // Rows are spread over a list about as over the table.
  void begin_search(const Item& item, uint64_t bound) {
    const double share = static_cast<double>(bound) / static_cast<double>(expansion_.num_ordered);
    scratch_.searches.push_back(PagedScratch::guess(item.begin, item.end, share, near_));
    scratch_.searches.back().bound = bound;
  }

  // How many neighbors to choose of n > 0 visible ones; whether those are all that there are.
  struct Choice {
    uint64_t count;
    bool all;
  };
  Choice choice(const Item& item) const {
    const uint64_t visible = item.end - item.begin;
    const int64_t fanout = wanted(item);
    const bool all = fanout < 0 || (!expansion_.rule.replace && static_cast<uint64_t>(fanout) >= visible);
    return {all ? visible : static_cast<uint64_t>(fanout), all};
  }

  uint64_t list_key(const Item& item) const { return fold(expansion_.seed_keys[item.seed], expansion_.edge_type); }

  void choose() {
    const Rule& rule = expansion_.rule;
    if (rule.strategy == Strategy::labor) list_contested();
    scratch_.chosen.clear();
    for (Item& item : piece_) {
      item.count = 0;
      if (item.begin >= item.end) continue;
      const auto [k, all] = choice(item);
      const uint64_t n = item.end - item.begin;
      item.count = k;
      scratch_.chosen.resize(scratch_.chosen.size() + k);
      uint64_t* const out = scratch_.chosen.data() + scratch_.chosen.size() - k;
      const Stream stream(fold(list_key(item), item.row));
      if (all || rule.strategy == Strategy::last)
        std::iota(out, out + k, n - k);
      else if (rule.strategy == Strategy::recency)
        chooser_.recency(n, k, stream, out);
      else if (rule.strategy == Strategy::uniform)
        rule.replace ? Chooser::uniform_repeated(n, k, stream, out) : chooser_.uniform(n, k, stream, out);
      else
        choose_smallest(item, k, out);
      for (uint64_t i = 0; i < k; ++i) out[i] += item.begin;
    }
  }

  // Of labor: the visible neighbors of which some are left out.
  void list_contested() {
    scratch_.places.clear();
    for (Item& item : piece_)
      if (item.begin < item.end && item.known == kNone && !choice(item).all) ask_for_list(item, scratch_.listed.size());
    scratch_.gather(arrays_.neighbors, scratch_.places, scratch_.values);
    scratch_.listed.insert(scratch_.listed.end(), scratch_.values.begin(), scratch_.values.end());
  }

  void choose_smallest(const Item& item, uint64_t k, uint64_t* out) {
    const uint64_t n = item.end - item.begin;
    scratch_.ranks.resize(n);
    for (uint64_t i = 0; i < n; ++i) scratch_.ranks[i] = fold(list_key(item), scratch_.listed[item.known + i]);
    chooser_.smallest(scratch_.ranks, k, out);
  }

  // Long lists' sums are searched for the first draws of each; where those are not enough, as where a few neighbors
  // hold nearly all weight, and of short lists, all sums are read.
  void choose_weighted() {
    find_totals();
    scratch_.searches.clear();
    for (const Item& item : piece_) {
      const auto [k, all] = choice(item);
      if (item.begin >= item.end || all || item.end - item.begin <= near_) continue;
      Stream stream(fold(list_key(item), item.row));
      const auto [before, total] = totals_[static_cast<size_t>(&item - piece_.data())];
      for (uint64_t i = 0; total > 0 && i < num_tries(k); ++i) {
        const double share = Chooser::fraction(stream);
        scratch_.searches.push_back(PagedScratch::guess(item.begin, item.end, share, near_));
        scratch_.searches.back().target = before + share * total;
      }
    }
    if (!scratch_.searches.empty())
      scratch_.search(arrays_.weights,
                      [](const Search& search, uint64_t sum) { return !(std::bit_cast<double>(sum) > search.target); });
    take_draws();
    draw_from_sums();
  }

  // The sum in front of each item's visible neighbors, and theirs.
  void find_totals() {
    scratch_.places.clear();
    for (const Item& item : piece_) {
      if (item.begin >= item.end) continue;
      if (item.begin != item.list) scratch_.places.push_back(item.begin - 1);
      scratch_.places.push_back(item.end - 1);
    }
    scratch_.gather(arrays_.weights, scratch_.places, scratch_.values);
    totals_.assign(piece_.size(), {0, 0});
    const uint64_t* sum = scratch_.values.data();
    for (size_t i = 0; i < piece_.size(); ++i) {
      if (piece_[i].begin >= piece_[i].end) continue;
      if (piece_[i].begin != piece_[i].list) totals_[i].before = std::bit_cast<double>(*sum++);
      totals_[i].total = std::bit_cast<double>(*sum++) - totals_[i].before;
    }
  }

  void take_draws() {
    std::vector<uint64_t>& drawn = scratch_.rows;
    drawn.clear();
    scratch_.places.clear();
    auto search = scratch_.searches.begin();
    for (Item& item : piece_) {
      item.count = 0;
      item.sums = kNone;
      if (item.begin >= item.end) continue;
      const auto [k, all] = choice(item);
      bool is_whole = all || item.end - item.begin <= near_;
      if (!is_whole && totals_[static_cast<size_t>(&item - piece_.data())].total > 0) {
        const size_t first = drawn.size();
        for (uint64_t i = 0; i < num_tries(k); ++i) {
          const uint64_t place = (search++)->low;
          if (item.count == k || is_whole) continue;
          is_whole = place == item.end;  // rounding lifted the target to the total
          const auto drawn_begin = drawn.begin() + static_cast<std::ptrdiff_t>(first);
          if (!expansion_.rule.replace && std::find(drawn_begin, drawn.end(), place) != drawn.end()) continue;
          drawn.push_back(place);
          ++item.count;
        }
        is_whole |= item.count < k;
        if (is_whole) drawn.resize(first);
        std::sort(drawn.begin() + static_cast<std::ptrdiff_t>(first), drawn.end());
      }
      if (!is_whole) continue;
      item.sums = scratch_.places.size();
      for (uint64_t place = item.begin; place < item.end; ++place) scratch_.places.push_back(place);
    }
  }

  void draw_from_sums() {
    scratch_.gather(arrays_.weights, scratch_.places, scratch_.values);
    std::vector<uint64_t>& chosen = scratch_.chosen;
    chosen.clear();
    const uint64_t* drawn = scratch_.rows.data();
    for (Item& item : piece_) {
      if (item.sums == kNone) {
        chosen.insert(chosen.end(), drawn, drawn + item.count);
        drawn += item.count;
        continue;
      }
      const auto [k, all] = choice(item);
      scratch_.sums.resize(item.end - item.begin);
      std::memcpy(scratch_.sums.data(), scratch_.values.data() + item.sums, scratch_.sums.size() * sizeof(double));
      chosen.resize(chosen.size() + k);
      uint64_t* const out = chosen.data() + chosen.size() - k;
      const Stream stream(fold(list_key(item), item.row));
      const double before = totals_[static_cast<size_t>(&item - piece_.data())].before;
      item.count = expansion_.rule.replace && !all ? Chooser::weighted_repeated(scratch_.sums, before, k, stream, out)
                                                   : chooser_.weighted(scratch_.sums, before, k, stream, out);
      for (uint64_t i = 0; i < item.count; ++i) out[i] += item.begin;
      chosen.resize(chosen.size() - (k - item.count));
    }
  }

  // Reads the chosen neighbors that are not listed, and hands all on in the items' order.
  void add() {
    const std::vector<uint64_t>& chosen = scratch_.chosen;
    scratch_.places.clear();
    size_t next = 0;
    for (const Item& item : piece_) {
      if (item.known == kNone)
        for (size_t i = next; i < next + item.count; ++i) scratch_.places.push_back(chosen[i]);
      next += item.count;
    }
    scratch_.gather(arrays_.neighbors, scratch_.places, scratch_.rows);
    if (reads_ids_) scratch_.gather(arrays_.edge_ids, chosen, scratch_.ids);
    const uint64_t* unlisted = scratch_.rows.data();
    next = 0;
    for (const Item& item : piece_) {
      const uint64_t cut = expansion_.cuts[item.seed];
      for (uint64_t done = 0; done < item.count;) {
        const uint64_t count = std::min(kPiece, item.count - done);
        connector_.make_room(count);
        uint64_t *const rows = connector_.rows(), *const ids = connector_.places();
        for (uint64_t i = 0; i < count; ++i) {
          const uint64_t row =
              item.known == kNone ? *unlisted++ : scratch_.listed[item.known + (chosen[next + i] - item.begin)];
          // As in Connector: never pass a row of the future on.
          if (row >= cut) throw_corrupt(edges_, "children", row);
          rows[i] = row;
          if (reads_ids_) ids[i] = scratch_.ids[next + i];
          if (edges_.is_timed() && ids[i] >= expansion_.order_cuts[item.seed])
            throw_corrupt(edges_, "edge_ids", ids[i]);
        }
        std::fill_n(connector_.targets(), count, item.node);
        std::fill_n(connector_.seeds(), count, item.seed);
        connector_.add_rows(count);
        done += count;
        next += count;
      }
    }
  }

  const Expansion& expansion_;
  const EdgeRows& edges_;
  const PagedEdges& arrays_;
  PagedScratch& scratch_;
  Chooser& chooser_;
  Connector<Table>& connector_;
  const PagedRows& order_;  // what lists are ascending in
  const bool reads_ids_;
  const uint64_t near_;
  std::span<Item> piece_;
  struct Total {
    double before, total;
  };
  std::vector<Total> totals_;  // [piece]
};

}  // namespace relhop
