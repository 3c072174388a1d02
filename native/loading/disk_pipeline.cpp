#include "loading/disk_pipeline.h"

#include <algorithm>
#include <utility>

namespace relhop {

namespace {

// What is noted of a row of a batch that is looked ahead at: its record and entry, and what the directory knows of it.
constexpr size_t kNoted = sizeof(int64_t) + sizeof(uint32_t) + Directory::kBytesEach;

}  // namespace

DiskPipeline::DiskPipeline(BatchSampler sampler, std::vector<Wanted> wanted, unsigned num_threads,
                           std::optional<size_t> look_ahead, size_t depth)
    : Pipeline(depth),
      sampler_(sampler),
      wanted_(std::move(wanted)),
      num_threads_(num_threads),
      is_looking_ahead_(look_ahead != 0),
      look_ahead_(look_ahead),
      stats_(wanted_.size()) {
  for (unsigned i = 0; i < num_threads; ++i) threads_.emplace_back([this] { this->sample(); });
  threads_.emplace_back([this] { read(); });
}

DiskPipeline::~DiskPipeline() { close(); }

size_t DiskPipeline::capacity() {
  const std::lock_guard lock(mutex_);
  const size_t together = look_ahead_.most_together();
  return std::max(depth_, together) + 2 * together + look_ahead_.batches() + group_ - 1;
}

void DiskPipeline::sample() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return is_closed_ || started_ >= end_ || num_to_start() != 0; });
    if (is_closed_ || started_ >= end_) return;
    size_t index = started_;
    std::vector<SeedBatch> seeds;
    for (size_t left = num_to_start(); left != 0; --left) seeds.push_back(start());
    lock.unlock();
    std::vector<Made> made = sampled(seeds);
    lock.lock();
    for (Made& result : made) samples_.emplace(index++, std::move(result));
    changed_.notify_all();
  }
}

// As many as are sampled best together; fewer only where the reader would else wait for them.
size_t DiskPipeline::num_to_start() {
  const size_t there = std::min(queue_.size(), allowed_ - std::min(allowed_, started_));
  if (there == 0) return 0;
  group_ = sampler_.together(queue_.front());
  return there >= group_ || started_ < window_end_ ? std::min(there, group_) : 0;
}

std::vector<DiskPipeline::Made> DiskPipeline::sampled(std::span<const SeedBatch> seeds) {
  const Timed timed(sampling_);
  std::vector<Sample> samples;
  if (seeds.size() > 1) try {
      samples = sampler_.sample(seeds);
    } catch (...) {  // which batch it is shows when each is sampled by itself
    }
  std::vector<Made> made;
  for (size_t i = 0; i < seeds.size(); ++i) try {
      made.emplace_back(
          Batch(std::move(samples.empty() ? sampler_.sample(seeds.subspan(i, 1)).front() : samples[i]), wanted_));
    } catch (...) {
      made.emplace_back(std::current_exception());
    }
  return made;
}

void DiskPipeline::read() {
  size_t first = 0;  // the batch that the window begins with
  std::unique_lock lock(mutex_);
  while (!is_closed_ && first < end_) {
    const size_t next = first + window_.size();
    const size_t together = look_ahead_.together();
    window_end_ = first + together + look_ahead_.batches();
    allowed_ = window_end_ + together + group_ - 1;
    changed_.notify_all();
    // What follows a failed batch is not looked at.
    const auto is_window_full = [&] { return next >= std::min({window_end_, put_, end_}); };
    changed_.wait(lock, [&] {
      if (is_closed_ || first >= end_) return true;
      if (!is_window_full()) return samples_.contains(next);
      return !window_.empty() && ready_.size() < std::max(depth_, together);
    });
    if (is_closed_ || first >= end_) break;
    if (!is_window_full()) {
      Made sampled = std::move(samples_.extract(next).mapped());
      if (std::holds_alternative<std::exception_ptr>(sampled)) end_ = next + 1;
      lock.unlock();
      enter(std::move(sampled));
      lock.lock();
      continue;
    }
    lock.unlock();
    std::vector<Foreseen> round = take_round(together);
    std::vector<Made> made = read_round(round);
    lock.lock();
    look_ahead_.read(made.size());
    for (Made& result : made) {
      if (std::holds_alternative<std::exception_ptr>(result)) end_ = first + 1;
      ready_.emplace(first++, std::move(result));
    }
    made_.notify_all();
  }
  lock.unlock();
  for (Foreseen& foreseen : window_)
    for (size_t w = 0; w < foreseen.requests.size(); ++w)
      if (wanted_[w].features->disk != nullptr) wanted_[w].features->disk->leave(foreseen.requests[w]);
}

void DiskPipeline::enter(Made sampled) {
  Foreseen& foreseen = window_.emplace_back();
  if (auto* failure = std::get_if<std::exception_ptr>(&sampled)) {
    foreseen.failure = *failure;
    return;
  }
  foreseen.batch = std::move(std::get<Batch>(sampled));
  foreseen.records.resize(wanted_.size());
  std::vector<Request> requests(wanted_.size());
  try {
    for (size_t w = 0; w < wanted_.size(); ++w) {
      requests[w].records = foreseen.batch.rows(wanted_, w);
      if (wanted_[w].features->disk != nullptr)
        requests[w].records = wanted_[w].features->records_of(requests[w].records, foreseen.records[w]);
    }
  } catch (...) {
    foreseen.failure = std::current_exception();
    return;
  }
  foreseen.requests = std::move(requests);
  foresee();
  const std::lock_guard lock(mutex_);
  look_ahead_.sampled(row_bytes_of(foreseen), sample_bytes_of(foreseen), can_foresee(foreseen));
}

// Puts batches into the windows of what is on disk, in order, as far as these have room.
void DiskPipeline::foresee() {
  for (size_t w = 0; is_looking_ahead_ && w < wanted_.size(); ++w) {
    const auto& disk = wanted_[w].features->disk;
    if (disk == nullptr) continue;
    for (Foreseen& foreseen : window_)
      if (foreseen.failure || (!foreseen.requests[w].seat && !disk->enter(foreseen.requests[w]))) break;
  }
}

size_t DiskPipeline::row_bytes_of(const Foreseen& foreseen) const {
  size_t bytes = 0;
  for (size_t w = 0; w < foreseen.requests.size(); ++w)
    bytes += foreseen.requests[w].records.size() * wanted_[w].features->layout.decoded_size();
  return bytes;
}

size_t DiskPipeline::sample_bytes_of(const Foreseen& foreseen) const {
  size_t numbers = 0, noted = 0;
  for (const Sample::Nodes& nodes : foreseen.batch.sample.nodes) numbers += nodes.rows.size() + nodes.batch.size();
  for (const Sample::Edges& edges : foreseen.batch.sample.edges)
    numbers += edges.source.size() + edges.target.size() + edges.ids.size();
  for (size_t w = 0; w < foreseen.requests.size(); ++w)
    if (wanted_[w].features->disk != nullptr) noted += foreseen.requests[w].records.size();
  return numbers * sizeof(int64_t) + noted * kNoted;
}

// Of batches like this one, as many as the window that reaches farthest has places for.
size_t DiskPipeline::can_foresee(const Foreseen& foreseen) const {
  size_t most = 0;
  for (size_t w = 0; w < foreseen.requests.size(); ++w)
    if (wanted_[w].features->disk != nullptr)
      most = std::max(most, wanted_[w].features->disk->can_foresee(foreseen.requests[w].records.size()));
  return most;
}

std::vector<DiskPipeline::Foreseen> DiskPipeline::take_round(size_t most) {
  foresee();
  std::vector<Foreseen> round;
  size_t bytes = 0;
  while (!window_.empty() && round.size() < most) {
    bytes += row_bytes_of(window_.front());
    if (!round.empty() && (bytes > LookAhead::kRound || window_.front().failure)) break;
    round.push_back(std::move(window_.front()));
    window_.pop_front();
    if (round.back().failure) break;
  }
  return round;
}

// Those that were read, in order; a failure is the last.
std::vector<DiskPipeline::Made> DiskPipeline::read_round(std::vector<Foreseen>& round) {
  std::vector<Made> made;
  if (round.front().failure) {
    made.emplace_back(round.front().failure);
    return made;
  }
  bool is_whole = false;
  if (round.size() > 1) try {
      fill(round);
      is_whole = true;
    } catch (...) {  // which batch it is shows when each is read by itself
    }
  for (Foreseen& foreseen : round) {
    try {
      if (!is_whole) fill({&foreseen, 1});
      made.emplace_back(std::move(foreseen.batch));
    } catch (...) {
      made.emplace_back(std::current_exception());
      break;
    }
  }
  return made;
}

void DiskPipeline::fill(std::span<Foreseen> round) {
  const Timed timed(gathering_);
  for (Foreseen& foreseen : round) {
    foreseen.batch.features.clear();
    for (size_t w = 0; w < wanted_.size(); ++w) {
      const std::span<const int64_t> rows = foreseen.batch.rows(wanted_, w);
      foreseen.batch.features.push_back(wanted_[w].features->make_room(rows.size()));
      wanted_[w].features->gather_in_memory(rows, foreseen.batch.features.back(), num_threads_);
    }
  }
  for (size_t w = 0; w < wanted_.size(); ++w) {
    std::vector<Request*> requests;
    std::vector<std::span<const int64_t>> rows;
    std::vector<FeatureRows*> out;
    for (Foreseen& foreseen : round) {
      requests.push_back(&foreseen.requests[w]);
      rows.push_back(foreseen.batch.rows(wanted_, w));
      out.push_back(&foreseen.batch.features[w]);
    }
    wanted_[w].features->read_places(rows, out);
    if (wanted_[w].features->disk == nullptr) continue;
    const ReadStats stats = wanted_[w].features->disk->read(requests, out, num_threads_, &cancelled_);
    const std::lock_guard lock(mutex_);
    stats_[w] += stats;
  }
}

std::vector<ReadStats> DiskPipeline::take_stats() {
  const std::lock_guard lock(mutex_);
  return std::exchange(stats_, std::vector<ReadStats>(wanted_.size()));
}

void DiskPipeline::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  cancelled_ = true;
  changed_.notify_all();
  made_.notify_all();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  samples_.clear();
  ready_.clear();
  queue_.clear();
}

}  // namespace relhop
