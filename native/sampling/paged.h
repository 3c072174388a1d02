// What steps over arrays on disk need: scratch memory, and searches in step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "paging/joint_reader.h"

namespace relhop {

// Of a thread. Steps go over so many nodes, and elements of lists, at once: enough for their reads to share pages and
// to be on their way together, and some tens of MiB at most.
inline constexpr uint32_t kPagedNodes = uint32_t{1} << 18;
inline constexpr uint64_t kPagedElements = uint64_t{1} << 21;

// Threads over which a batch that reads from disk is split at least; and blocks, of one batch or of several, that are
// sampled in step, as many as have about so many edges: each takes some 100 bytes while it is looked for.
inline constexpr size_t kPagedThreads = 16, kMostInStep = 64;
inline constexpr uint64_t kPagedEdges = uint64_t{1} << 20;

struct PagedScratch {
  static constexpr uint64_t kNone = UINT64_MAX;
  // A frontier node whose list is looked at.
  struct Item {
    uint32_t node, seed;
    uint64_t row;
    uint64_t list;        // where its list begins
    uint64_t begin, end;  // of its list, or of what is visible of it
    uint64_t known;       // where the neighbors from `begin` on are in `listed`, or kNone
    uint64_t count;       // of the chosen
    uint64_t sums;        // where all their sums of weights are in `values`, or kNone
  };
  // The first place in [low, high] that does not lie below what is looked for.
  struct Search {
    uint64_t low, high;
    uint64_t probe, stride;  // where to look next; how far to go from there, 0 once the place was passed
    uint64_t bound;          // rows below it are below
    double target;           // sums of weights that do not exceed it are below
    bool rising = false;     // whether the search goes up from its first guess
  };

  PageReader reader;
  JointReader* joint = nullptr;  // what asks in the reader's place, where threads ask together
  std::vector<Item> items;
  std::vector<uint64_t> places, values;
  std::vector<uint64_t> listed;        // neighbors of lists that were read whole
  std::vector<uint64_t> chosen, rows;  // places, and the neighbors there that are not listed
  std::vector<uint64_t> ids;           // of the edges at `chosen`
  std::vector<Search> searches;
  std::vector<uint32_t> going, go_on;  // in searches
  std::vector<uint64_t> ranks;
  std::vector<double> sums;

  void gather(const PagedRows& array, std::span<const uint64_t> wanted, std::vector<uint64_t>& out) {
    joint != nullptr ? joint->gather(array, wanted, out) : reader.gather(array, wanted, out);
  }

  // From there on elements are read instead of searched.
  static uint64_t near(const PagedRows& rows) { return std::min<uint64_t>(1024, 4096 * 8 / rows.width); }

  // `share`: about how much of [begin, end) lies below.
  static Search guess(uint64_t begin, uint64_t end, double share, uint64_t stride) {
    const uint64_t length = end - begin;
    const auto below = static_cast<uint64_t>(static_cast<double>(length) * std::clamp(share, 0.0, 1.0));
    return {begin, end, begin + std::min(below, length - 1), stride, 0, 0, false};
  }

  // All at once: each round reads one element for every search. They go from their guess in longer and longer strides
  // until they have passed the place, and then halve what is left. `low` is the answer.
  template <class IsBelow>
  void search(const PagedRows& array, IsBelow is_below) {
    const uint64_t stop = near(array);
    going.clear();
    for (uint32_t i = 0; i < searches.size(); ++i) going.push_back(i);
    for (bool is_first = true; !going.empty(); is_first = false) {
      places.clear();
      for (const uint32_t i : going) places.push_back(searches[i].probe);
      gather(array, places, values);
      go_on.clear();
      for (size_t j = 0; j < going.size(); ++j) {
        Search& s = searches[going[j]];
        const bool below = is_below(s, values[j]);
        (below ? s.low : s.high) = s.probe + below;
        if (s.high - s.low <= stop) continue;
        if (is_first) s.rising = below;
        const bool strides = s.stride != 0 && below == s.rising && s.high - s.low > s.stride;
        s.stride = strides ? 4 * s.stride : 0;
        const uint64_t step = strides ? s.stride / 4 : (s.high - s.low) / 2;
        s.probe = s.rising || !strides ? s.low + step : s.high - step;
        go_on.push_back(going[j]);
      }
      going.swap(go_on);
    }
    places.clear();
    for (const Search& s : searches)
      for (uint64_t place = s.low; place < s.high; ++place) places.push_back(place);
    gather(array, places, values);
    const uint64_t* at = values.data();
    for (Search& s : searches) {
      const uint64_t* const end = at + (s.high - s.low);
      s.low += static_cast<uint64_t>(std::partition_point(at, end, [&](uint64_t v) { return is_below(s, v); }) - at);
      at = end;
    }
  }
};

}  // namespace relhop
