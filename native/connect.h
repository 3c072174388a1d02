// From chosen neighbors to nodes and edges: the last steps of an expansion.
//
// A queue of neighbors with two lags. When a neighbor is added, its place in the list is asked for; some neighbors
// later its row is read and its slot in the table of known nodes asked for; some more later it becomes a node and an
// edge. So both waits for memory are spent choosing other neighbors.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "error.h"
#include "node_table.h"
#include "topology.h"

namespace relhop {

[[noreturn]] inline void throw_corrupt(const EdgeRows& edges, const char* file, uint64_t value) {
  throw CorruptStore("link " + edges.name + ": " + file + " holds " + std::to_string(value) +
                     ", which cannot be there; run `relhop verify`");
}

// A block's nodes of one table, numbered from 0 in the order in which they are found.
struct BlockNodes {
  Buffer<int64_t>& rows;    // of these and earlier blocks
  Buffer<uint32_t>& seeds;  // the same; empty where all seeds share one graph
  size_t begin;             // where the block's begin
  uint32_t& count;
  std::vector<uint64_t>* paths;  // the metapaths that each is on, a bit each; null where there are none
  uint32_t frontier_end;         // nodes from here on were found by the present hop
};

struct EdgeQueue {
  std::vector<uint64_t> places, rows;
  std::vector<uint32_t> targets, seeds;
};

// Table: RowTable or HashTable; its key is the row where all seeds share one graph, else row and seed.
template <class Table>
class Connector {
 public:
  using Key = typename Table::Key;

  Connector(const EdgeRows& edges, uint64_t num_found, const BlockNodes& expanded, const BlockNodes& found,
            Table& table, const uint64_t* cuts, uint64_t along, EdgeQueue& queue, Buffer<int64_t>& source,
            Buffer<int64_t>& target, Buffer<int64_t>* ids)
      : edges_(edges),
        num_found_(num_found),
        expanded_(expanded),
        found_(found),
        table_(table),
        cuts_(cuts),
        along_(along),
        queue_(queue),
        source_(source),
        target_(target),
        ids_(ids),
        disjoint_(!expanded.seeds.empty()) {}

  static Key key(uint64_t row, uint64_t seed) {
    if constexpr (sizeof(Key) == 4)
      return static_cast<Key>(row);
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
    if (added_ - read_ >= 2 * kLag) read(added_ - kLag);
    if (read_ - inserted_ >= 2 * kLag) insert(read_ - kLag);
  }
  // Neighbors whose rows, targets and seeds were written.
  void add_rows(size_t count) {
    const auto table = table_.view();
    const uint64_t* const all_rows = rows();
    const uint32_t* const all_seeds = seeds();
    for (size_t i = 0; i < count; ++i) table.prefetch(key(all_rows[i], all_seeds[i]));
    read_ = added_ += count;
    if (read_ - inserted_ >= 2 * kLag) insert(read_ - kLag);
  }
  void finish() {
    read(added_);
    insert(added_);
    added_ = read_ = inserted_ = 0;
  }

 private:
  static constexpr size_t kLag = 32, kQueue = 4096;

  void grow(size_t count) {
    finish();
    room_ = std::max(count, kQueue);
    const uint64_t nodes = found_.count + room_;
    if (nodes >= uint64_t{1} << 31) throw std::length_error("a batch of more than 2^31 nodes");
    table_.reserve(nodes, num_found_);
    // One more is written, and written over, for an edge to a known node.
    found_.rows.reserve(found_.begin + nodes + 1);
    if (disjoint_) found_.seeds.reserve(found_.begin + nodes + 1);
    source_.reserve(source_.size() + room_);
    target_.reserve(target_.size() + room_);
    if (queue_.places.size() >= room_) return;
    queue_.places.resize(room_);
    queue_.rows.resize(room_);
    queue_.targets.resize(room_);
    queue_.seeds.resize(room_);
  }

  void read(size_t end) {
    const PackedRows neighbors = edges_.neighbors;
    const auto table = table_.view();
    const uint64_t* const places = queue_.places.data();
    const uint32_t* const seeds = queue_.seeds.data();
    uint64_t* const rows = queue_.rows.data();
    for (size_t i = read_; i < end; ++i) {
      const uint64_t row = neighbors[places[i]];
      // An unsorted list would let the prefix hold rows of the future: never pass one on.
      if (row >= cuts_[seeds[i]]) throw_corrupt(edges_, "children", row);
      rows[i] = row;
      table.prefetch(key(row, seeds[i]));
    }
    read_ = end;
  }

  void insert(size_t end) {
    const size_t edge = source_.size(), count = end - inserted_;
    source_.resize(edge + count);
    target_.resize(edge + count);
    const auto table = table_.view();
    const uint64_t* const rows = queue_.rows.data() + inserted_;
    const uint32_t* const targets = queue_.targets.data() + inserted_;
    const uint32_t* const seeds = queue_.seeds.data() + inserted_;
    int64_t* const found_rows = found_.rows.data() + found_.begin;
    uint32_t* const found_seeds = disjoint_ ? found_.seeds.data() + found_.begin : nullptr;
    int64_t* const source = source_.data() + edge;
    int64_t* const target = target_.data() + edge;
    uint32_t known = found_.count;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t number = table.insert(key(rows[i], seeds[i]), known);
      found_rows[known] = static_cast<int64_t>(rows[i]);
      if (found_seeds != nullptr) found_seeds[known] = seeds[i];
      if (found_.paths != nullptr) note_path(number, known, targets[i]);
      known += number == known;
      source[i] = number;
      target[i] = targets[i];
    }
    if (ids_ != nullptr)
      for (size_t i = inserted_; i < end; ++i) ids_->push_back(edge_id(i));
    inserted_ = end;
    found_.count = known;
    found_.rows.resize(found_.begin + known);
    if (disjoint_) found_.seeds.resize(found_.begin + known);
  }

  void note_path(uint32_t number, uint32_t known, uint32_t target) {
    const uint64_t path = (*expanded_.paths)[target] & along_;
    if (number == known)
      found_.paths->push_back(path);
    else if (number >= found_.frontier_end)
      (*found_.paths)[number] |= path;
  }

  int64_t edge_id(size_t i) const {
    if (edges_.kind == EdgeRows::Kind::parents) return expanded_.rows[expanded_.begin + queue_.targets[i]];
    return static_cast<int64_t>(edges_.edge_ids.data == nullptr ? queue_.rows[i] : edges_.edge_ids[queue_.places[i]]);
  }

  const EdgeRows& edges_;
  const uint64_t num_found_;  // rows of the found table
  const BlockNodes expanded_;
  const BlockNodes found_;
  Table& table_;
  const uint64_t* const cuts_;  // by seed: rows of the found table from here on are not visible
  const uint64_t along_;        // the metapaths that go along this edge type
  EdgeQueue& queue_;
  Buffer<int64_t>&source_, &target_;
  Buffer<int64_t>* const ids_;
  const bool disjoint_;
  size_t added_ = 0, read_ = 0, inserted_ = 0;  // in the queue
  size_t room_ = 0;                             // of the queue and of all that it fills
};

}  // namespace relhop
