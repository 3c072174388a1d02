// Where reads arrive: a ring of pieces that are taken in order and given back in any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace relhop {

class Staging {
 public:
  // On huge pages where the system gives them. A child of fork() does not get it: a device may be writing to it.
  // Throws std::bad_alloc.
  explicit Staging(size_t bytes);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  struct Piece {
    std::byte* bytes;  // null: no room before others are given back
    uint64_t number;
  };

  std::span<std::byte> memory() const { return {memory_, size_}; }
  // `bytes`: more than none, and no more than all. The piece is aligned to 4096 bytes.
  Piece take(size_t bytes);
  void give_back(uint64_t number);
  void give_back_all();

 private:
  struct Taken {
    uint64_t end;
    bool is_back;
  };

  std::byte* memory_;
  size_t size_;
  // Bytes and pieces are counted on and on; those between tail and head are taken, or lie between ones that are.
  uint64_t head_ = 0, tail_ = 0;
  uint64_t next_ = 0, oldest_ = 0;
  std::vector<Taken> taken_;  // by number, modulo its size
};

}  // namespace relhop
