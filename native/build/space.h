// Memory of a fixed size for large temporary arrays, zeroed, in huge pages where the system has them.
#pragma once

#include <cstdint>
#include <string>

namespace relhop {

class Space {
 public:
  Space() = default;
  // Pages are taken when they are first touched.
  explicit Space(uint64_t size);
  // A scratch file's pages, which the system may write back and take: for what does not fit the memory.
  Space(uint64_t size, const std::string& scratch_folder);
  Space(Space&& other) noexcept;
  Space& operator=(Space&& other) noexcept;
  ~Space();

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace relhop
