// The requests of several threads as one: threads that do the same steps for different seeds ask for their pages
// together, so that a page which several want is read once, and reads are many and in order.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <span>
#include <vector>

#include "paging/page_reader.h"

namespace relhop {

class JointReader {
 public:
  // `reader` is this one's alone until its end. Each of the members asks until it leaves.
  JointReader(PageReader& reader, size_t members) : reader_(reader), members_(members) {}

  // As PageReader does, when all members ask, or some time after. What fails is thrown to all who asked for the file.
  void gather(const PagedRows& rows, std::span<const uint64_t> places, std::vector<uint64_t>& values);
  void leave();

 private:
  struct Request {
    const PagedRows* rows;
    std::span<const uint64_t> places;
    std::vector<uint64_t>* values;
    bool is_done = false;
    std::exception_ptr failure;
  };
  // A member whose thread could not be started does not hold the others up for good.
  static constexpr std::chrono::seconds kPatience{1};

  void answer(std::vector<Request*>& requests);
  void answer_together(std::span<Request* const> requests);

  PageReader& reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t members_;
  std::vector<Request*> waiting_, answered_;
  bool is_answering_ = false;
  std::vector<uint64_t> places_, values_;
};

}  // namespace relhop
