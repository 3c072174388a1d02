#include "sampling/sampler.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>

#include "base/parallel.h"
#include "sampling/assembly.h"
#include "sampling/block.h"

namespace relhop {

namespace {

void refuse_unless(bool sound, const std::string& message) {
  if (!sound) throw std::invalid_argument(message);
}

void check_rule(const EdgeRows& edges, const Rule& rule) {
  const bool draws_again = rule.strategy == Strategy::uniform || rule.strategy == Strategy::weighted;
  refuse_unless(rule.fanout >= -1, "a fanout is " + std::to_string(rule.fanout));
  refuse_unless(rule.window >= 0, "a window is " + std::to_string(rule.window));
  refuse_unless(!rule.replace || draws_again, "only uniform and weighted sampling can draw with replacement");
  const bool draws = edges.neighbors.size > 0 && rule.fanout != 0;
  refuse_unless(rule.strategy != Strategy::weighted || !draws || edges.has_weights(), edges.name + " has no weights");
}

void check_options(const Topology& topology, const SampleOptions& options) {
  const size_t num_edge_types = topology.num_edge_types();
  for (size_t hop = 0; hop < options.rules.size(); ++hop) {
    refuse_unless(options.rules[hop].size() == num_edge_types, "hop " + std::to_string(hop + 1) +
                                                                   " does not name each of the " +
                                                                   std::to_string(num_edge_types) + " edge types");
    for (size_t e = 0; e < num_edge_types; ++e) check_rule(topology.edge_types()[e], options.rules[hop][e]);
  }
  refuse_unless(options.caps.size() == topology.tables().size(),
                "caps must name each of the " + std::to_string(topology.tables().size()) + " tables");
  refuse_unless(options.group > 0, "a group holds at least one node");
  refuse_unless(options.metapaths.size() <= 64, "at most 64 metapaths can be followed");
  for (const std::vector<uint32_t>& path : options.metapaths)
    for (const uint32_t e : path)
      refuse_unless(e < num_edge_types, "a metapath names an edge type that does not exist");
  refuse_unless(options.disjoint || !options.adaptive, "adaptive fanouts need disjoint subgraphs");
}

void check_seed_table(const Topology& topology, size_t seed, uint32_t table) {
  const size_t num_tables = topology.tables().size();
  if (table >= num_tables)
    throw std::invalid_argument("seed " + std::to_string(seed) + " is of table " + std::to_string(table) +
                                "; there are " + std::to_string(num_tables));
  if (!topology.has_nodes(table))
    throw std::invalid_argument("seed " + std::to_string(seed) + " is of table " + topology.tables()[table].name +
                                ", whose rows are edges");
}

void check_seeds(const Topology& topology, const SampleOptions& options, const Seeds& seeds) {
  const auto& tables = topology.tables();
  refuse_unless(seeds.rows.size() == seeds.tables.size(), std::to_string(seeds.rows.size()) + " seed rows, but " +
                                                              std::to_string(seeds.tables.size()) + " tables");
  refuse_unless(seeds.rows.size() == seeds.times.size(), std::to_string(seeds.rows.size()) + " seed rows, but " +
                                                             std::to_string(seeds.times.size()) + " anchor times");
  uint64_t num_rows = 0;
  for (size_t i = 0; i < seeds.rows.size(); ++i) {
    if (i == 0 || seeds.tables[i] != seeds.tables[i - 1]) {
      check_seed_table(topology, i, seeds.tables[i]);
      num_rows = tables[seeds.tables[i]].num_rows;
    }
    if (static_cast<uint64_t>(seeds.rows[i]) >= num_rows)
      throw std::invalid_argument("seed " + std::to_string(i) + " is row " + std::to_string(seeds.rows[i]) +
                                  " of a table of " + std::to_string(num_rows) + " rows");
  }
  bool has_window = false;
  for (const std::vector<Rule>& hop : options.rules)
    for (const Rule& rule : hop) has_window |= rule.window > 0;
  const bool timeless = std::any_of(seeds.times.begin(), seeds.times.end(), [](int64_t t) { return t == INT64_MAX; });
  refuse_unless(!has_window || !timeless, "a window needs an anchor time for every seed");
  refuse_unless(options.disjoint ||
                    std::all_of(seeds.times.begin(), seeds.times.end(), [](int64_t time) { return time == INT64_MAX; }),
                "seeds with anchor times of their own need disjoint subgraphs");
}

struct Membership {
  JointReader* const joint;
  ~Membership() {
    if (joint != nullptr) joint->leave();
  }
};

}  // namespace

// What threads work with, kept for the next batch.
template <class T>
struct Kept {
  std::mutex mutex;
  std::vector<std::unique_ptr<T>> free;

  std::unique_ptr<T> take() {
    const std::lock_guard lock(mutex);
    if (free.empty()) return std::make_unique<T>();
    auto one = std::move(free.back());
    free.pop_back();
    return one;
  }
  void give_back(std::unique_ptr<T> one) {
    const std::lock_guard lock(mutex);
    free.push_back(std::move(one));
  }
};

struct Sampler::Workspaces : Kept<Workspace> {
  Kept<PageReader> readers;
  std::atomic<uint64_t> edges_a_block = UINT64_MAX;  // of the last batch: what the next one's blocks will about have
};

namespace {

// Of fewer edges a thread takes less time than it takes to start.
constexpr uint64_t kEdgesAThread = 16384;

size_t block_size(const SampleOptions& options, size_t num_seeds) {
  return options.disjoint ? kBlock : std::max<size_t>(num_seeds, 1);
}
size_t num_blocks(const SampleOptions& options, size_t num_seeds) {
  const size_t block = block_size(options, num_seeds);
  return std::max<size_t>((num_seeds + block - 1) / block, 1);
}

// A batch, its parts and what they are put together to.
struct Task {
  Seeds seeds;
  size_t block, num_blocks;
  std::vector<size_t> bounds;  // of the parts, in blocks
  std::vector<Part> parts;
  std::optional<Assembly> assembly;

  Task(const SampleOptions& options, const Seeds& seeds, size_t num_parts)
      : seeds(seeds),
        block(block_size(options, seeds.rows.size())),
        num_blocks(relhop::num_blocks(options, seeds.rows.size())) {
    for (size_t p = 0; p <= num_parts; ++p) bounds.push_back(num_blocks * p / num_parts);
    parts.resize(num_parts);
  }
};

uint64_t count_edges(std::span<const Part> parts) {
  uint64_t count = 0;
  for (const Part& part : parts)
    for (const PartEdges& edges : part.edges) count += edges.source.size();
  return count;
}

}  // namespace

Sampler::Sampler(const Topology& topology) : topology_(topology), workspaces_(std::make_unique<Workspaces>()) {}

Sampler::~Sampler() = default;

std::vector<Sample> Sampler::sample(const SampleOptions& options, std::span<const Seeds> batches,
                                    unsigned num_threads) const {
  check_options(topology_, options);
  std::deque<Task> tasks;
  std::vector<std::pair<Task*, size_t>> parts;
  for (const Seeds& seeds : batches) {
    check_seeds(topology_, options, seeds);
    Task& task = tasks.emplace_back(options, seeds, num_parts(num_blocks(options, seeds.rows.size()), num_threads));
    for (size_t p = 0; p < task.parts.size(); ++p) parts.emplace_back(&task, p);
  }
  std::unique_ptr<PageReader> reader;
  std::optional<JointReader> joint;
  if (topology_.is_paged() && parts.size() > 1) joint.emplace(*(reader = workspaces_->readers.take()), parts.size());
  const auto sample_part = [&](size_t i) {
    const Membership member{joint ? &*joint : nullptr};
    auto& [task, p] = parts[i];
    auto workspace = workspaces_->take();
    workspace->paged.joint = member.joint;
    Part& part = task->parts[p] = Part(topology_, *workspace);
    sample_blocks(topology_, options, task->seeds, task->bounds[p] * task->block,
                  std::min(task->seeds.rows.size(), task->bounds[p + 1] * task->block), *workspace, part);
    part.note_sizes(*workspace);
    workspaces_->give_back(std::move(workspace));
  };
  const auto assemble = [&] {
    for (Task& task : tasks) {
      workspaces_->edges_a_block.store(count_edges(task.parts) / task.num_blocks, std::memory_order_relaxed);
      task.assembly.emplace(topology_, options, std::move(task.parts), std::move(task.bounds));
    }
  };
  in_parallel(parts.size(), sample_part, assemble, [&](size_t i) { parts[i].first->assembly->place(parts[i].second); });
  if (reader) workspaces_->readers.give_back(std::move(reader));
  std::vector<Sample> samples;
  for (Task& task : tasks) samples.push_back(task.assembly->take());
  return samples;
}

Sample Sampler::sample(const SampleOptions& options, const Seeds& seeds, unsigned num_threads) const {
  return std::move(sample(options, {&seeds, 1}, num_threads).front());
}

size_t Sampler::together(const SampleOptions& options, size_t num_seeds) const {
  if (!topology_.is_paged()) return 1;
  return std::max<size_t>(most_in_step() / num_blocks(options, num_seeds), 1);
}

size_t Sampler::num_parts(size_t num_blocks, unsigned num_threads) const {
  // Threads that read from disk mostly wait, and the more ask at once, the fewer are the reads.
  if (topology_.is_paged()) return std::min(std::max({size_t{num_threads}, kPagedThreads, most_in_step()}), num_blocks);
  const uint64_t usual = usual_edges();
  const size_t num_busy = usual >= kEdgesAThread ? num_blocks : num_blocks * usual / kEdgesAThread;
  return std::clamp<size_t>(std::min<size_t>(num_threads, num_busy), 1, num_blocks);
}

size_t Sampler::most_in_step() const {
  return std::min<uint64_t>(kPagedEdges / std::max<uint64_t>(usual_edges(), 1), kMostInStep);
}

uint64_t Sampler::usual_edges() const { return workspaces_->edges_a_block.load(std::memory_order_relaxed); }

}  // namespace relhop
