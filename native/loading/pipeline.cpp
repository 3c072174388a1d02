#include "loading/pipeline.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace relhop {

namespace {

std::span<const int64_t> found(const Sample& sample, const Wanted& wanted) {
  const Buffer<int64_t>& rows = wanted.is_edge ? sample.edges[wanted.number].ids : sample.nodes[wanted.number].rows;
  return {rows.data(), rows.size()};
}

}  // namespace

std::vector<Sample> BatchSampler::sample(std::span<const SeedBatch> batches) const {
  std::vector<Seeds> seeds;
  for (const SeedBatch& batch : batches)
    seeds.push_back({{batch.tables.data(), batch.tables.size()},
                     {batch.rows.data(), batch.rows.size()},
                     {batch.times.data(), batch.times.size()}});
  return sampler->sample(*options, seeds);
}

Batch::Batch(Sample sampled, std::span<const Wanted> wanted) : sample(std::move(sampled)), splits(wanted.size()) {
  for (size_t w = 0; w < wanted.size(); ++w) {
    wanted[w].features->check_rows(found(sample, wanted[w]));
    if (wanted[w].held != nullptr) splits[w] = wanted[w].held->split(found(sample, wanted[w]));
  }
}

std::span<const int64_t> Batch::rows(std::span<const Wanted> wanted, size_t w) const {
  if (wanted[w].held == nullptr) return found(sample, wanted[w]);
  return {splits[w].rows.data(), splits[w].rows.size()};
}

void Pipeline::put(SeedBatch seeds) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(seeds));
  ++put_;
  changed_.notify_all();
}

void Pipeline::finish() {
  const std::lock_guard lock(mutex_);
  end_ = std::min(end_, put_);
  changed_.notify_all();
  made_.notify_all();
}

SeedBatch Pipeline::start() {
  SeedBatch seeds = std::move(queue_.front());
  queue_.pop_front();
  ++started_;
  return seeds;
}

std::variant<Batch, std::monostate, Pipeline::Wait> Pipeline::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (is_closed_ || delivered_ >= end_) return std::monostate{};
  if (delivered_ == put_) throw std::logic_error("no batch to wait for: put() seeds, or finish()");
  if (!made_.wait_for(lock, timeout, [&] { return ready_.contains(delivered_); })) return Wait::timeout;
  Made result = std::move(ready_.extract(delivered_).mapped());
  ++delivered_;
  if (std::holds_alternative<std::exception_ptr>(result)) is_closed_ = true;
  changed_.notify_all();
  if (auto* failure = std::get_if<std::exception_ptr>(&result)) std::rethrow_exception(*failure);
  return std::move(std::get<Batch>(result));
}

size_t Pipeline::num_started() {
  const std::lock_guard lock(mutex_);
  return started_;
}

Effort Pipeline::take_effort() {
  return {static_cast<double>(sampling_.exchange(0)) * 1e-9, static_cast<double>(gathering_.exchange(0)) * 1e-9};
}

}  // namespace relhop
