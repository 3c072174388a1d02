// What a device asks for a read: so much for each, and so much for each byte.
#pragma once

#include <cstdint>

#include "io/direct_file.h"

namespace relhop {

struct DeviceCost {
  double reads_per_second = 0;
  double bytes_per_second = 0;

  // Seconds that a read of so many bytes takes of the device's time.
  double of(double bytes) const { return 1 / reads_per_second + bytes / bytes_per_second; }
  // Bytes that cost as much as a read does beside its bytes; not so many that sums of them come near 2^63.
  int64_t bytes_a_read() const;
};

struct ProbedDevice : DeviceCost {
  bool is_measured = false;  // else assumed
};

// Reads blocks of 4 KiB anywhere in the file, as many at once as ManyReads allows, for half of so many seconds, and
// pieces of 1 MiB in order for the other half. Files of less than 64 MiB are not measured: what is said of them is the
// like of a plain SSD. Throws IoError.
ProbedDevice probe(const DirectFile& file, double seconds);

}  // namespace relhop
