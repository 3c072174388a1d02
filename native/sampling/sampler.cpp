#include "sampling/sampler.h"

#include <algorithm>
#include <mutex>
#include <optional>
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
  refuse_unless(rule.strategy != Strategy::weighted || !draws || !edges.weights.empty(),
                edges.name + " has no weights");
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

void check_seeds(const Topology& topology, const SampleOptions& options, const Seeds& seeds) {
  refuse_unless(seeds.table < topology.tables().size(), "the seeds' table does not exist");
  refuse_unless(seeds.rows.size() == seeds.times.size(), std::to_string(seeds.rows.size()) + " seed rows, but " +
                                                             std::to_string(seeds.times.size()) + " anchor times");
  const auto num_rows = static_cast<int64_t>(topology.tables()[seeds.table].num_rows);
  for (size_t i = 0; i < seeds.rows.size(); ++i)
    if (seeds.rows[i] < 0 || seeds.rows[i] >= num_rows)
      throw std::invalid_argument("seed " + std::to_string(i) + " is row " + std::to_string(seeds.rows[i]) +
                                  " of a table of " + std::to_string(num_rows) + " rows");
  bool has_window = false;
  for (const std::vector<Rule>& hop : options.rules)
    for (const Rule& rule : hop) has_window |= rule.window > 0;
  const bool timeless = std::any_of(seeds.times.begin(), seeds.times.end(), [](int64_t t) { return t == INT64_MAX; });
  refuse_unless(!has_window || !timeless, "a window needs an anchor time for every seed");
  refuse_unless(options.disjoint ||
                    std::all_of(seeds.times.begin(), seeds.times.end(), [](int64_t time) { return time == INT64_MAX; }),
                "seeds with anchor times of their own need disjoint subgraphs");
}

}  // namespace

struct Sampler::Workspaces {
  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> free;

  std::unique_ptr<Workspace> take() {
    const std::lock_guard lock(mutex);
    if (free.empty()) return std::make_unique<Workspace>();
    auto workspace = std::move(free.back());
    free.pop_back();
    return workspace;
  }
  void give_back(std::unique_ptr<Workspace> workspace) {
    const std::lock_guard lock(mutex);
    free.push_back(std::move(workspace));
  }
};

Sampler::Sampler(const Topology& topology) : topology_(topology), workspaces_(std::make_unique<Workspaces>()) {}

Sampler::~Sampler() = default;

Sample Sampler::sample(const SampleOptions& options, const Seeds& seeds, unsigned num_threads) const {
  check_options(topology_, options);
  check_seeds(topology_, options, seeds);
  const size_t num_seeds = seeds.rows.size();
  const size_t block = options.disjoint ? kBlock : std::max<size_t>(num_seeds, 1);
  const size_t num_blocks = std::max<size_t>((num_seeds + block - 1) / block, 1);
  const size_t num_parts = std::clamp<size_t>(num_threads, 1, num_blocks);
  std::vector<size_t> bounds;
  for (size_t p = 0; p <= num_parts; ++p) bounds.push_back(num_blocks * p / num_parts);
  std::vector<Part> parts(num_parts);
  std::optional<Assembly> assembly;
  in_parallel(
      num_parts,
      [&](size_t p) {
        auto workspace = workspaces_->take();
        parts[p] = Part(topology_, *workspace);
        sample_blocks(topology_, options, seeds, bounds[p] * block, std::min(num_seeds, bounds[p + 1] * block),
                      *workspace, parts[p]);
        parts[p].note_sizes(*workspace);
        workspaces_->give_back(std::move(workspace));
      },
      [&] { assembly.emplace(topology_, options, std::move(parts), std::move(bounds)); },
      [&](size_t p) { assembly->place(p); });
  return assembly->take();
}

}  // namespace relhop
