// NumPy arrays in, as views that keep them alive; NumPy arrays out, which take over a buffer's memory.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>

#include "base/buffer.h"
#include "packed/packed.h"
#include "packed/times.h"

namespace relhop {

namespace nb = nanobind;
using namespace nb::literals;

template <class T>
using Array = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<const T> view(const Array<T>& array) {
  return {array.data(), array.size()};
}

// Views that keep the arrays alive that they look at.
struct SharedRows {
  Array<uint8_t> bytes;
  PackedRows rows;
};

struct SharedTimes {
  Array<uint8_t> blocks;
  std::optional<Array<uint8_t>> stream;   // in memory
  std::shared_ptr<const Elements> words;  // or on disk
  PackedTimes times;
};

// NumPy takes over the buffer's memory.
template <class T>
nb::object give(Buffer<T>& buffer, size_t columns = 0) {
  const size_t size = buffer.size();
  buffer.reserve(1);  // a capsule cannot hold null
  T* data = buffer.release();
  nb::capsule owner(data, [](void* p) noexcept { return_memory(p); });
  if (columns == 0) return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {size}, owner));
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<2>>(data, {size / columns, columns}, owner));
}

// Raw records as uint8 [count, bytes of each].
inline nb::object give_raw(Buffer<std::byte>& buffer, size_t count) {
  const size_t size = count == 0 ? 0 : buffer.size() / count;
  buffer.reserve(1);
  uint8_t* data = reinterpret_cast<uint8_t*>(buffer.release());
  nb::capsule owner(data, [](void* p) noexcept { return_memory(p); });
  return nb::cast(nb::ndarray<nb::numpy, uint8_t, nb::ndim<2>>(data, {count, size}, owner));
}

inline nb::object give_bytes(const void* data, size_t size) {
  Buffer<uint8_t> bytes(size);
  if (size != 0) std::memcpy(bytes.data(), data, size);
  return give(bytes);
}

template <class T>
nb::object give_columns(Buffer<T>& buffer, size_t columns) {
  return columns == 0 ? nb::none() : give(buffer, columns);
}

}  // namespace relhop
