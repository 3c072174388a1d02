// From chosen neighbors to nodes and edges: the last steps of an expansion.
//
// A queue of neighbors with two lags. When a neighbor is added, its place in the list is asked for; some neighbors
// later its row is read and its slot in the table of known nodes asked for; some more later it becomes a node and an
// edge. So both waits for memory are spent choosing other neighbors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>

#include "sampling/expansion.h"
#include "sampling/node_table.h"

namespace relhop {

// What a step has to ask the table of known nodes about each neighbor. `once`: whether the nodes of earlier steps have
// it, as no two neighbors of the step are one; `never`: none, as there are no earlier nodes either.
enum class Lookup : uint8_t { always, once, never };

// Table: RowTable or HashTable; its key is the row where all seeds share one graph, else row and seed. What a step
// finds is added to it if that looks up always.
template <class Table>
class Connector {
 public:
  using Key = typename Table::Key;

  Connector(const Expansion& expansion, Lookup lookup, Table& table, EdgeQueue& queue, PartEdges& out, bool edge_ids)
      : expansion_(expansion),
        lookup_(lookup),
        edges_(expansion.edges),
        expanded_(expansion.expanded),
        found_(expansion.found),
        table_(table),
        queue_(queue),
        out_(out),
        edge_ids_(edge_ids),
        reads_ids_(edges_.edge_ids.data != nullptr && (edge_ids || edges_.is_timed())),
        disjoint_(!expansion.expanded.seeds.empty()) {}

  static Key key(uint64_t row, uint64_t seed) {
    if constexpr (sizeof(Key) == 4)
      return static_cast<Key>(row | seed << kNarrowRowBits);
    else
      return row | seed << 48;
  }

  // Room in the queue for `count` more neighbors. Moves nodes and edges, at most.
  void make_room(size_t count) {
    if (added_ + count > room_) grow(count);
  }
  // The queue's free end; good until make_room.
  uint64_t* places() { return queue_.places.data() + added_; }
  uint64_t* rows() { return queue_.rows.data() + added_; }
  uint32_t* targets() { return queue_.targets.data() + added_; }
  uint32_t* seeds() { return queue_.seeds.data() + added_; }

  // Neighbors of `target` whose places were written.
  void add_places(size_t count, uint32_t target, uint32_t seed) {
    const PackedRows neighbors = edges_.neighbors;
    const uint64_t* const chosen = places();
    uint32_t *const all_targets = targets(), *const all_seeds = seeds();
    for (size_t i = 0; i < count; ++i) {
      neighbors.prefetch(chosen[i]);
      all_targets[i] = target;
      all_seeds[i] = seed;
    }
    added_ += count;
    if (added_ - read_ >= kLag + kChunk) read(added_ - kLag);
    if (read_ - inserted_ >= kLag + kChunk) insert(read_ - kLag);
  }
  // Room for `count` edges from nodes that are known, behind all that was added; good until anything else is.
  struct Edges {
    int64_t *source, *target;
  };
  Edges known_edges(size_t count) {
    if (added_ != 0) finish();
    out_.source.reserve(out_.source.size() + count);
    out_.target.reserve(out_.target.size() + count);
    return {out_.source.data() + out_.source.size(), out_.target.data() + out_.target.size()};
  }
  void add_known_edges(size_t count) {
    const size_t before = out_.target.size();
    out_.source.resize(before + count);
    out_.target.resize(before + count);
    if (!edge_ids_) return;
    for (size_t i = before; i < before + count; ++i)
      out_.ids.push_back(child_row(static_cast<uint32_t>(out_.target[i])));
  }
  // Neighbors whose rows, targets and seeds were written.
  void add_rows(size_t count) {
    const auto table = table_.view();
    const uint64_t* const all_rows = rows();
    const uint32_t* const all_seeds = seeds();
    if (lookup_ != Lookup::never)
      for (size_t i = 0; i < count; ++i) table.prefetch(key(all_rows[i], all_seeds[i]));
    read_ = added_ += count;
    if (read_ - inserted_ >= kLag + kChunk) insert(read_ - kLag);
  }
  void finish() {
    read(added_);
    insert(added_);
    added_ = read_ = inserted_ = room_ = 0;
  }

 private:
  // Chunks are small for requests to come evenly: a burst of them waits for the core's miss buffers, and while a long
  // run of neighbors is inserted none are made.
  static constexpr size_t kLag = 64, kChunk = 16, kQueue = 4096;

  void grow(size_t count) {
    finish();
    room_ = std::max(count, kQueue);
    const uint64_t nodes = found_.count + room_;
    if (nodes >= uint64_t{1} << 31) throw std::length_error("a batch of more than 2^31 nodes");
    if (lookup_ == Lookup::always) table_.reserve(nodes, expansion_.num_found);
    // One more is written, and written over, for an edge to a known node.
    found_.rows.reserve(found_.begin + nodes + 1);
    if (disjoint_) found_.seeds.reserve(found_.begin + nodes + 1);
    out_.source.reserve(out_.source.size() + room_);
    out_.target.reserve(out_.target.size() + room_);
    if (found_.origins.size() < nodes + 1) found_.origins.resize(2 * nodes);
    if (queue_.places.size() >= room_) return;
    queue_.places.resize(room_);
    queue_.rows.resize(room_);
    queue_.targets.resize(room_);
    queue_.seeds.resize(room_);
  }

  void read(size_t end) {
    lookup_ == Lookup::never ? read_rows<false>(end) : read_rows<true>(end);
    if (reads_ids_) ask_for_ids(end);
    read_ = end;
  }

  template <bool kLooksUp>
  void read_rows(size_t end) {
    const PackedRows neighbors = edges_.neighbors;
    const auto table = table_.view();
    const uint64_t* const places = queue_.places.data();
    const uint32_t* const seeds = queue_.seeds.data();
    uint64_t* const rows = queue_.rows.data();
    for (size_t i = read_; i < end; ++i) {
      const uint64_t row = neighbors[places[i]];
      // An unsorted list would let the prefix hold rows of the future: never pass one on.
      if (row >= expansion_.cuts[seeds[i]]) throw_corrupt(edges_, "children", row);
      rows[i] = row;
      if (kLooksUp) table.prefetch(key(row, seeds[i]));
      for (const PackedRows& keys : expansion_.next_keys) keys.prefetch(row);
    }
  }

  // These two are kept out of the way of edges without numbers and times, whose speed depends on what is inlined.
  [[gnu::noinline]] void ask_for_ids(size_t end) const {
    for (size_t i = read_; i < end; ++i) edges_.edge_ids.prefetch(queue_.places[i]);
  }
  // As of rows: of an unsorted list never pass on an edge of the future. Those on disk were checked as they were read.
  [[gnu::noinline]] void check_edges(size_t end) const {
    if (edges_.paged) return;
    for (size_t i = inserted_; i < end; ++i) {
      const uint64_t id = edges_.edge_ids[queue_.places[i]];
      if (id >= expansion_.order_cuts[queue_.seeds[i]]) throw_corrupt(edges_, "edge_ids", id);
    }
  }

  void insert(size_t end) {
    if (edges_.is_timed()) check_edges(end);
    const size_t edge = out_.source.size(), count = end - inserted_;
    out_.source.resize(edge + count);
    out_.target.resize(edge + count);
    int64_t *const source = out_.source.data() + edge, *const target = out_.target.data() + edge;
    if (lookup_ == Lookup::never)
      append_nodes(count, source, target);
    else if (lookup_ == Lookup::once)
      insert_nodes<Lookup::once, true>(count, source, target);
    else if (disjoint_)
      insert_nodes<Lookup::always, true>(count, source, target);
    else
      insert_nodes<Lookup::always, false>(count, source, target);
    if (found_.paths != nullptr) note_paths(count, out_.source.data() + edge);
    if (edge_ids_)
      for (size_t i = inserted_; i < end; ++i) out_.ids.push_back(edge_id(i));
    inserted_ = end;
    found_.rows.resize(found_.begin + found_.count);
    if (disjoint_) found_.seeds.resize(found_.begin + found_.count);
  }

  // Of seeds that share no graph.
  void append_nodes(size_t count, int64_t* source, int64_t* target) {
    const uint64_t* const rows = queue_.rows.data() + inserted_;
    const uint32_t* const targets = queue_.targets.data() + inserted_;
    const uint32_t first = found_.count;
    std::copy_n(queue_.seeds.data() + inserted_, count, found_.seeds.data() + found_.begin + first);
    std::copy_n(targets, count, found_.origins.data() + first);
    std::copy_n(rows, count, found_.rows.data() + found_.begin + first);
    std::copy_n(targets, count, target);
    std::iota(source, source + count, first);
    found_.count += static_cast<uint32_t>(count);
  }

  template <Lookup kLookup, bool kDisjoint>
  void insert_nodes(size_t count, int64_t* source, int64_t* target) {
    const auto table = table_.view();
    const uint64_t* const rows = queue_.rows.data() + inserted_;
    const uint32_t* const targets = queue_.targets.data() + inserted_;
    const uint32_t* const seeds = queue_.seeds.data() + inserted_;
    int64_t* const found_rows = found_.rows.data() + found_.begin;
    uint32_t* const found_seeds = found_.seeds.data() + found_.begin;
    uint32_t* const origins = found_.origins.data();
    uint32_t known = found_.count;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t row = rows[i];
      const uint32_t seed = kDisjoint ? seeds[i] : 0;
      const uint32_t number =
          kLookup == Lookup::once ? std::min(table.find(key(row, seed)), known) : table.insert(key(row, seed), known);
      found_rows[known] = static_cast<int64_t>(row);
      if (kDisjoint) found_seeds[known] = seed;
      origins[known] = targets[i];
      known += number == known;
      source[i] = number;
      target[i] = targets[i];
    }
    found_.count = known;
  }

  void note_paths(size_t count, const int64_t* source) {
    found_.paths->resize(found_.count, 0);
    for (size_t i = 0; i < count; ++i) {
      const auto number = static_cast<uint32_t>(source[i]);
      const uint64_t path = (*expanded_.paths)[queue_.targets[inserted_ + i]] & expansion_.along;
      if (number >= found_.frontier_end) (*found_.paths)[number] |= path;
    }
  }

  int64_t child_row(uint32_t target) const { return expanded_.rows[expanded_.begin + target]; }
  int64_t edge_id(size_t i) const {
    if (edges_.kind == EdgeRows::Kind::parents) return child_row(queue_.targets[i]);
    // Of an edge on disk, its number was read in place of its place.
    if (edges_.paged && edges_.paged->edge_ids.file != nullptr) return static_cast<int64_t>(queue_.places[i]);
    return static_cast<int64_t>(edges_.edge_ids.data == nullptr ? queue_.rows[i] : edges_.edge_ids[queue_.places[i]]);
  }

  const Expansion& expansion_;
  const Lookup lookup_;
  const EdgeRows& edges_;
  const BlockNodes &expanded_, &found_;
  Table& table_;
  EdgeQueue& queue_;
  PartEdges& out_;
  const bool edge_ids_, reads_ids_, disjoint_;
  size_t added_ = 0, read_ = 0, inserted_ = 0;  // in the queue
  size_t room_ = 0;                             // of the queue, and of all that it fills until it is empty
};

}  // namespace relhop
