#include "loading/disk_pipeline.h"

#include <algorithm>
#include <utility>

namespace relhop {

namespace {

// What the batches of a round take, if they are several: enough that a device does not run dry at each batch's end.
constexpr size_t kRound = size_t{64} << 20;

}  // namespace

DiskPipeline::DiskPipeline(MakeSample sample, std::vector<const FeatureTable*> tables, size_t num_batches,
                           unsigned num_threads, size_t look_ahead, size_t depth)
    : sample_(std::move(sample)),
      tables_(std::move(tables)),
      num_threads_(num_threads),
      look_ahead_(look_ahead),
      depth_(depth),
      end_(num_batches),
      stats_(tables_.size()) {
  for (unsigned i = 0; i < num_threads; ++i) threads_.emplace_back([this] { this->sample(); });
  threads_.emplace_back([this] { read(); });
}

DiskPipeline::~DiskPipeline() { close(); }

void DiskPipeline::sample() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wanted_.wait(lock, [&] { return closed_ || started_ >= end_ || started_ < allowed_; });
    if (closed_ || started_ >= end_) return;
    const size_t index = started_++;
    lock.unlock();
    Sampled result;
    try {
      Sample made = sample_(index);
      for (size_t t = 0; t < tables_.size(); ++t)
        tables_[t]->check_rows({made.nodes[t].rows.data(), made.nodes[t].rows.size()});
      result = std::move(made);
    } catch (...) {
      result = std::current_exception();
    }
    lock.lock();
    samples_.emplace(index, std::move(result));
    sampled_.notify_all();
  }
}

void DiskPipeline::read() {
  size_t first = 0;  // the batch that the window begins with
  std::unique_lock lock(mutex_);
  while (!closed_ && first < end_) {
    const size_t behind = std::min(first + most_together_ + look_ahead_, end_), next = first + window_.size();
    allowed_ = behind;
    wanted_.notify_all();
    sampled_.wait(lock, [&] {
      return closed_ || (next < behind ? samples_.contains(next) : ready_.size() < std::max(depth_, most_together_));
    });
    if (closed_) break;
    if (next < behind) {
      Sampled sampled = std::move(samples_.extract(next).mapped());
      if (std::holds_alternative<std::exception_ptr>(sampled)) end_ = next + 1;
      lock.unlock();
      enter(std::move(sampled));
      lock.lock();
      continue;
    }
    lock.unlock();
    std::vector<Foreseen> round = take_round();
    std::vector<Made> made = read_round(round);
    lock.lock();
    for (Made& result : made) {
      if (std::holds_alternative<std::exception_ptr>(result)) end_ = first + 1;
      ready_.emplace(first++, std::move(result));
    }
    made_.notify_all();
  }
  lock.unlock();
  for (Foreseen& foreseen : window_)
    for (size_t t = 0; t < foreseen.requests.size(); ++t)
      if (tables_[t]->disk != nullptr) tables_[t]->disk->leave(foreseen.requests[t]);
}

void DiskPipeline::enter(Sampled sampled) {
  Foreseen& foreseen = window_.emplace_back();
  if (auto* failure = std::get_if<std::exception_ptr>(&sampled)) {
    foreseen.failure = *failure;
    return;
  }
  foreseen.batch.sample = std::move(std::get<Sample>(sampled));
  foreseen.records.resize(tables_.size());
  std::vector<Request> requests(tables_.size());
  try {
    for (size_t t = 0; t < tables_.size(); ++t) {
      const Buffer<int64_t>& rows = foreseen.batch.sample.nodes[t].rows;
      requests[t].records = {rows.data(), rows.size()};
      if (tables_[t]->disk != nullptr)
        requests[t].records = tables_[t]->records_of(requests[t].records, foreseen.records[t]);
    }
  } catch (...) {
    foreseen.failure = std::current_exception();
    return;
  }
  foreseen.requests = std::move(requests);
  foresee();
  most_together_ =
      std::clamp<size_t>(kRound / std::max<size_t>(bytes_of(foreseen), 1), 1, std::max<size_t>(look_ahead_, 1));
}

// Puts batches into the windows of the tables, in order, as far as these have room.
void DiskPipeline::foresee() {
  for (size_t t = 0; look_ahead_ > 0 && t < tables_.size(); ++t) {
    if (tables_[t]->disk == nullptr) continue;
    for (Foreseen& foreseen : window_)
      if (foreseen.failure || (!foreseen.requests[t].seat && !tables_[t]->disk->enter(foreseen.requests[t]))) break;
  }
}

size_t DiskPipeline::bytes_of(const Foreseen& foreseen) const {
  size_t bytes = 0;
  for (size_t t = 0; t < foreseen.requests.size(); ++t)
    bytes += foreseen.requests[t].records.size() * tables_[t]->layout.decoded_size();
  return bytes;
}

std::vector<DiskPipeline::Foreseen> DiskPipeline::take_round() {
  foresee();
  std::vector<Foreseen> round;
  size_t bytes = 0;
  while (!window_.empty() && round.size() < most_together_) {
    bytes += bytes_of(window_.front());
    if (!round.empty() && (bytes > kRound || window_.front().failure)) break;
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
  for (Foreseen& foreseen : round) {
    foreseen.batch.features.clear();
    for (size_t t = 0; t < tables_.size(); ++t) {
      const std::span<const int64_t> rows{foreseen.batch.sample.nodes[t].rows.data(),
                                          foreseen.requests[t].records.size()};
      foreseen.batch.features.push_back(tables_[t]->make_room(rows.size()));
      tables_[t]->gather_in_memory(rows, foreseen.batch.features[t], num_threads_);
    }
  }
  for (size_t t = 0; t < tables_.size(); ++t) {
    if (tables_[t]->disk == nullptr) continue;
    std::vector<Request*> requests;
    std::vector<FeatureRows*> out;
    for (Foreseen& foreseen : round) {
      requests.push_back(&foreseen.requests[t]);
      out.push_back(&foreseen.batch.features[t]);
    }
    const ReadStats stats = tables_[t]->disk->read(requests, out, num_threads_, &closed_);
    const std::lock_guard lock(mutex_);
    stats_[t] += stats;
  }
}

std::variant<Batch, std::monostate, Pipeline::Wait> DiskPipeline::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (closed_ || delivered_ >= end_) return std::monostate{};
  if (!made_.wait_for(lock, timeout, [&] { return ready_.contains(delivered_); })) return Wait::timeout;
  Made result = std::move(ready_.extract(delivered_).mapped());
  ++delivered_;
  sampled_.notify_all();
  if (auto* failure = std::get_if<std::exception_ptr>(&result)) {
    closed_ = true;
    wanted_.notify_all();
    std::rethrow_exception(*failure);
  }
  return std::move(std::get<Batch>(result));
}

size_t DiskPipeline::num_started() {
  const std::lock_guard lock(mutex_);
  return started_;
}

std::vector<ReadStats> DiskPipeline::take_stats() {
  const std::lock_guard lock(mutex_);
  return std::exchange(stats_, std::vector<ReadStats>(tables_.size()));
}

void DiskPipeline::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wanted_.notify_all();
  sampled_.notify_all();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  samples_.clear();
  ready_.clear();
}

}  // namespace relhop
