#include "paging/joint_reader.h"

#include <algorithm>
#include <functional>

namespace relhop {

void JointReader::gather(const PagedRows& rows, std::span<const uint64_t> places, std::vector<uint64_t>& values) {
  Request request{&rows, places, &values, false, nullptr};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&request);
  const auto patience_ends = std::chrono::steady_clock::now() + kPatience;
  while (!request.is_done) {
    const bool is_patient = std::chrono::steady_clock::now() < patience_ends;
    if (is_answering_ || (waiting_.size() < members_ && is_patient)) {
      if (is_answering_)
        changed_.wait(lock);
      else
        changed_.wait_until(lock, patience_ends);
      continue;
    }
    is_answering_ = true;
    answered_.swap(waiting_);
    lock.unlock();
    answer(answered_);
    lock.lock();
    for (Request* const answered : answered_) answered->is_done = true;
    answered_.clear();
    is_answering_ = false;
    changed_.notify_all();
  }
  if (request.failure) std::rethrow_exception(request.failure);
}

void JointReader::leave() {
  const std::lock_guard lock(mutex_);
  --members_;
  if (!waiting_.empty()) changed_.notify_all();
}

void JointReader::answer(std::vector<Request*>& requests) {
  const auto by_file = [](const Request* a, const Request* b) { return std::less<>()(a->rows->file, b->rows->file); };
  std::sort(requests.begin(), requests.end(), by_file);
  for (auto begin = requests.begin(); begin != requests.end();) {
    const auto end = std::upper_bound(begin, requests.end(), *begin, by_file);
    try {
      answer_together({begin, end});
    } catch (...) {
      for (auto request = begin; request != end; ++request) (*request)->failure = std::current_exception();
    }
    begin = end;
  }
}

void JointReader::answer_together(std::span<Request* const> requests) {
  if (requests.size() == 1) return reader_.gather(*requests[0]->rows, requests[0]->places, *requests[0]->values);
  places_.clear();
  for (const Request* const request : requests)
    places_.insert(places_.end(), request->places.begin(), request->places.end());
  reader_.gather(*requests[0]->rows, places_, values_);
  const uint64_t* values = values_.data();
  for (Request* const request : requests) {
    request->values->assign(values, values + request->places.size());
    values += request->places.size();
  }
}

}  // namespace relhop
