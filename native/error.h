// What the native code throws; bindings.cpp translates each to its Python class.
#pragma once

#include <stdexcept>
#include <string>

namespace relhop {

// A store's bytes contradict each other: relhop.errors.CorruptStore.
struct CorruptStore : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace relhop
