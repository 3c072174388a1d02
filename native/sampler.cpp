#include "sampler.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include "error.h"

namespace relhop {

namespace {

// The subgraphs of consecutive seeds, one after another, numbered within each seed and table.
struct Part {
  struct Pair {
    uint32_t source, target;
  };
  std::vector<std::vector<uint64_t>> rows;   // [tables]
  std::vector<std::vector<Pair>> pairs;      // [edge types]
  std::vector<std::vector<uint32_t>> nodes;  // [tables] -> [seeds * (hops + 1)]: nodes found by each hop
  std::vector<std::vector<uint32_t>> edges;  // [edge types] -> [seeds * hops]
};

class PartSampler {
 public:
  PartSampler(const Topology& topology, const SampleOptions& options, const Seeds& seeds)
      : topology_(topology),
        options_(options),
        seeds_(seeds),
        num_tables_(topology.tables().size()),
        num_edge_types_(topology.num_edge_types()),
        cuts_(num_tables_),
        num_nodes_(num_tables_),
        frontier_begin_(num_tables_),
        frontier_end_(num_tables_) {
    part_.rows.resize(num_tables_);
    part_.nodes.resize(num_tables_);
    part_.pairs.resize(num_edge_types_);
    part_.edges.resize(num_edge_types_);
  }

  Part run(size_t begin, size_t end) {
    for (size_t seed = begin; seed < end; ++seed) expand(seed);
    return std::move(part_);
  }

 private:
  void expand(size_t seed) {
    const int64_t time = seeds_.times[seed];
    if (!cuts_known_ || time != cuts_time_) {
      for (uint32_t t = 0; t < num_tables_; ++t) cuts_[t] = std::min(topology_.cut(t, time), options_.caps[t]);
      cuts_time_ = time;
      cuts_known_ = true;
    }
    seed_key_ = fold(
        fold(fold(fold(options_.random_seed, options_.epoch), seeds_.table), static_cast<uint64_t>(seeds_.rows[seed])),
        static_cast<uint64_t>(time));
    known_.clear();
    std::fill(num_nodes_.begin(), num_nodes_.end(), 0);
    std::fill(frontier_end_.begin(), frontier_end_.end(), 0);
    find_or_add(seeds_.table, static_cast<uint64_t>(seeds_.rows[seed]));
    close_hop();
    for (size_t hop = 0; hop < options_.num_neighbors.size(); ++hop) {
      for (uint32_t e = 0; e < num_edge_types_; ++e) {
        const size_t before = part_.pairs[e].size();
        if (options_.num_neighbors[hop][e] != 0) expand_along(e, hop);
        part_.edges[e].push_back(static_cast<uint32_t>(part_.pairs[e].size() - before));
      }
      close_hop();
    }
  }

  // What was found since the last call becomes the frontier.
  void close_hop() {
    for (uint32_t t = 0; t < num_tables_; ++t) {
      frontier_begin_[t] = frontier_end_[t];
      frontier_end_[t] = num_nodes_[t];
      part_.nodes[t].push_back(frontier_end_[t] - frontier_begin_[t]);
    }
  }

  void expand_along(uint32_t e, size_t hop) {
    const uint32_t table = topology_.expanded_table(e);
    const LinkRows& link = topology_.links()[e / 2];
    for (uint32_t node = frontier_begin_[table]; node < frontier_end_[table]; ++node) {
      const uint64_t row = part_.rows[table][part_.rows[table].size() - num_nodes_[table] + node];
      if (e % 2 == 0)
        expand_children(link, e, hop, node, row);
      else
        expand_parent(link, e, node, row);
    }
  }

  void expand_parent(const LinkRows& link, uint32_t e, uint32_t node, uint64_t row) {
    const uint64_t parent = link.parents[row];
    if (parent == link.parents.none()) return;
    if (parent >= topology_.tables()[link.parent].num_rows) throw_corrupt(link, "parents", parent);
    if (parent < cuts_[link.parent]) connect(e, node, parent);
  }

  void expand_children(const LinkRows& link, uint32_t e, size_t hop, uint32_t node, uint64_t row) {
    const uint64_t begin = link.offsets[row], end = link.offsets[row + 1];
    if (begin > end || end > link.children.size) throw_corrupt(link, "offsets", end);
    const uint64_t visible = link.children.count_below(begin, end, cuts_[link.child]);
    if (visible == 0) return;
    const int64_t wanted = options_.num_neighbors[hop][e];
    if (wanted < 0 || static_cast<uint64_t>(wanted) >= visible) {
      for (uint64_t i = begin; i < begin + visible; ++i) connect_child(link, e, node, link.children[i]);
      return;
    }
    const Stream stream(fold(fold(seed_key_, e), row));
    for (uint64_t position :
         chooser_.choose(options_.strategies[hop][e], visible, static_cast<uint64_t>(wanted), stream))
      connect_child(link, e, node, link.children[begin + position]);
  }

  // An unsorted list would let the prefix hold rows of the future: never pass one on.
  void connect_child(const LinkRows& link, uint32_t e, uint32_t node, uint64_t child) {
    if (child >= cuts_[link.child]) throw_corrupt(link, "children", child);
    connect(e, node, child);
  }

  void connect(uint32_t e, uint32_t target, uint64_t row) {
    part_.pairs[e].push_back({find_or_add(topology_.found_table(e), row), target});
  }

  uint32_t find_or_add(uint32_t table, uint64_t row) {
    const auto [node, added] = known_.insert(row * num_tables_ + table, num_nodes_[table]);
    if (added) {
      ++num_nodes_[table];
      part_.rows[table].push_back(row);
    }
    return node;
  }

  [[noreturn]] void throw_corrupt(const LinkRows& link, const char* file, uint64_t value) const {
    throw CorruptStore("link " + link.name + ": " + file + " holds " + std::to_string(value) +
                       ", which cannot be there; run `relhop verify`");
  }

  const Topology& topology_;
  const SampleOptions& options_;
  const Seeds& seeds_;
  const uint32_t num_tables_, num_edge_types_;
  Part part_;
  Chooser chooser_;
  StampedMap known_;                 // (row, table) -> number of the node within the seed and table
  std::vector<uint64_t> cuts_;       // [tables] of the current anchor time
  std::vector<uint32_t> num_nodes_;  // [tables] of the current seed
  std::vector<uint32_t> frontier_begin_, frontier_end_;
  uint64_t seed_key_ = 0;
  int64_t cuts_time_ = 0;
  bool cuts_known_ = false;
};

void check(const Topology& topology, const SampleOptions& options, const Seeds& seeds) {
  const size_t num_edge_types = topology.num_edge_types();
  if (options.num_neighbors.size() != options.strategies.size())
    throw std::invalid_argument("num_neighbors and strategies name different numbers of hops");
  for (size_t hop = 0; hop < options.num_neighbors.size(); ++hop)
    if (options.num_neighbors[hop].size() != num_edge_types || options.strategies[hop].size() != num_edge_types)
      throw std::invalid_argument("hop " + std::to_string(hop + 1) + " does not name each of the " +
                                  std::to_string(num_edge_types) + " edge types");
  if (options.caps.size() != topology.tables().size())
    throw std::invalid_argument("caps must name each of the " + std::to_string(topology.tables().size()) + " tables");
  if (seeds.table >= topology.tables().size()) throw std::invalid_argument("the seeds' table does not exist");
  if (seeds.rows.size() != seeds.times.size())
    throw std::invalid_argument(std::to_string(seeds.rows.size()) + " seed rows, but " +
                                std::to_string(seeds.times.size()) + " anchor times");
  const auto num_rows = static_cast<int64_t>(topology.tables()[seeds.table].num_rows);
  for (size_t i = 0; i < seeds.rows.size(); ++i)
    if (seeds.rows[i] < 0 || seeds.rows[i] >= num_rows)
      throw std::invalid_argument("seed " + std::to_string(i) + " is row " + std::to_string(seeds.rows[i]) +
                                  " of a table of " + std::to_string(num_rows) + " rows");
}

// Where the subgraphs of a batch's seeds lie in its arrays, which are ordered by hop, then seed.
class Assembly {
 public:
  Assembly(const Topology& topology, size_t hops, std::vector<Part> parts, std::vector<size_t> bounds)
      : topology_(topology), hops_(hops), parts_(std::move(parts)), bounds_(std::move(bounds)) {
    const size_t num_seeds = bounds_.back();
    for (size_t t = 0; t < topology.tables().size(); ++t) {
      Sample::Nodes& nodes = sample_.nodes.emplace_back();
      node_begin_.push_back(begins(&Part::nodes, t, hops + 1, num_seeds, nodes.num_per_hop));
      const auto total = static_cast<size_t>(sum(nodes.num_per_hop));
      nodes.rows = Buffer<int64_t>(total);
      nodes.batch = Buffer<int64_t>(total);
    }
    for (size_t e = 0; e < topology.num_edge_types(); ++e) {
      Sample::Edges& edges = sample_.edges.emplace_back();
      edge_begin_.push_back(begins(&Part::edges, e, hops, num_seeds, edges.num_per_hop));
      const auto total = static_cast<size_t>(sum(edges.num_per_hop));
      edges.source = Buffer<int64_t>(total);
      edges.target = Buffer<int64_t>(total);
    }
  }

  // Writes the part's own places only: parts may be placed by several threads.
  void place(size_t p) {
    const Part& part = parts_[p];
    const size_t num_tables = part.rows.size();
    std::vector<std::vector<int64_t>> numbers(num_tables);  // of the seed's nodes, in the batch
    std::vector<size_t> next_row(num_tables, 0), next_pair(part.pairs.size(), 0);
    for (size_t seed = bounds_[p]; seed < bounds_[p + 1]; ++seed) {
      const size_t local = seed - bounds_[p];
      for (size_t t = 0; t < num_tables; ++t) {
        Sample::Nodes& nodes = sample_.nodes[t];
        numbers[t].clear();
        for (size_t hop = 0; hop <= hops_; ++hop) {
          int64_t number = node_begin_[t][hop][seed];
          for (uint32_t i = 0; i < part.nodes[t][local * (hops_ + 1) + hop]; ++i, ++number) {
            nodes.rows[static_cast<size_t>(number)] = static_cast<int64_t>(part.rows[t][next_row[t]++]);
            nodes.batch[static_cast<size_t>(number)] = static_cast<int64_t>(seed);
            numbers[t].push_back(number);
          }
        }
      }
      for (uint32_t e = 0; e < part.pairs.size(); ++e) {
        Sample::Edges& edges = sample_.edges[e];
        const auto& sources = numbers[topology_.found_table(e)];
        const auto& targets = numbers[topology_.expanded_table(e)];
        for (size_t hop = 0; hop < hops_; ++hop) {
          auto number = static_cast<size_t>(edge_begin_[e][hop][seed]);
          for (uint32_t i = 0; i < part.edges[e][local * hops_ + hop]; ++i, ++number) {
            const Part::Pair pair = part.pairs[e][next_pair[e]++];
            edges.source[number] = sources[pair.source];
            edges.target[number] = targets[pair.target];
          }
        }
      }
    }
  }

  Sample take() { return std::move(sample_); }

 private:
  static int64_t sum(const std::vector<int64_t>& values) {
    int64_t total = 0;
    for (int64_t value : values) total += value;
    return total;
  }

  // [hops][seeds]: the first place of each; the counts of each hop are added up on the way.
  std::vector<std::vector<int64_t>> begins(std::vector<std::vector<uint32_t>> Part::* counts, size_t kind, size_t hops,
                                           size_t num_seeds, std::vector<int64_t>& per_hop) const {
    std::vector<std::vector<int64_t>> result(hops, std::vector<int64_t>(num_seeds));
    int64_t total = 0;
    for (size_t hop = 0; hop < hops; ++hop) {
      const int64_t before = total;
      for (size_t p = 0; p < parts_.size(); ++p)
        for (size_t seed = bounds_[p]; seed < bounds_[p + 1]; ++seed) {
          result[hop][seed] = total;
          total += (parts_[p].*counts)[kind][(seed - bounds_[p]) * hops + hop];
        }
      per_hop.push_back(total - before);
    }
    return result;
  }

  const Topology& topology_;
  const size_t hops_;
  const std::vector<Part> parts_;
  const std::vector<size_t> bounds_;
  std::vector<std::vector<std::vector<int64_t>>> node_begin_, edge_begin_;  // [kind][hop][seed]
  Sample sample_;
};

// Runs work(0 .. count - 1), one thread each; rethrows the first failure.
template <class Work>
void in_parallel(size_t count, Work work) {
  std::vector<std::exception_ptr> failures(count);
  auto guarded = [&](size_t i) {
    try {
      work(i);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < count; ++i) threads.emplace_back(guarded, i);
    guarded(0);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

Sample sample(const Topology& topology, const SampleOptions& options, const Seeds& seeds, unsigned num_threads) {
  check(topology, options, seeds);
  const size_t num_parts = std::clamp<size_t>(seeds.rows.size(), 1, std::max(1U, num_threads));
  std::vector<size_t> bounds(num_parts + 1);
  for (size_t p = 0; p <= num_parts; ++p) bounds[p] = seeds.rows.size() * p / num_parts;
  std::vector<Part> parts(num_parts);
  in_parallel(num_parts,
              [&](size_t p) { parts[p] = PartSampler(topology, options, seeds).run(bounds[p], bounds[p + 1]); });
  Assembly assembly(topology, options.num_neighbors.size(), std::move(parts), std::move(bounds));
  in_parallel(num_parts, [&](size_t p) { assembly.place(p); });
  return assembly.take();
}

}  // namespace relhop
