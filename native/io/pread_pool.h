// Reads by threads that wait for one each: everywhere the same results as io_uring, at fewer reads at once.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/read_engine.h"

namespace relhop {

class PreadPool final : public ReadEngine {
 public:
  explicit PreadPool(unsigned depth);
  ~PreadPool() override;

  const char* name() const override { return "pread"; }
  void add(const Request& request) override { added_.push_back(request); }
  size_t wait(size_t least, std::span<Done> done) override;

 private:
  void start_threads();
  void work();

  std::vector<Request> added_;
  size_t on_the_way_ = 0;
  std::vector<std::thread> threads_;  // started when there is work for them

  std::mutex mutex_;  // guards what follows
  std::condition_variable has_work_, has_done_;
  std::deque<Request> waiting_;
  std::vector<Done> done_;
  size_t wanted_ = 0;  // so many done reads wake the caller; 0: it does not wait
  size_t idle_ = 0;
  bool is_closing_ = false;
};

}  // namespace relhop
