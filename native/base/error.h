// What the native code throws; bindings/module.cpp translates each to its Python class.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace relhop {

// A store's bytes contradict each other: relhop.errors.CorruptStore.
struct CorruptStore : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A system call on a file failed, or came to the file's end: relhop.errors.StoreError.
struct IoError : std::runtime_error {
  // `what` was tried, such as "cannot write 4096 bytes"; an `error_number` of 0 says that the file is too short.
  IoError(const std::string& what, std::string path, uint64_t offset, int error_number)
      : std::runtime_error(what + " at offset " + std::to_string(offset) + " of '" + path +
                           "': " + (error_number == 0 ? "the file ends before" : std::strerror(error_number))),
        path(std::move(path)),
        offset(offset),
        error_number(error_number) {}
  // The same, with what was wanted of the file in front.
  IoError(const IoError& error, const std::string& wanted)
      : std::runtime_error(wanted + ": " + error.what()),
        path(error.path),
        offset(error.offset),
        error_number(error.error_number) {}

  std::string path;
  uint64_t offset;
  int error_number;
};

}  // namespace relhop
