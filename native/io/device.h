// What a device asks for a read: so much for each, and so much for each byte.
#pragma once

namespace relhop {

struct DeviceCost {
  double reads_per_second = 0;
  double bytes_per_second = 0;

  // Seconds that a read of so many bytes takes of the device's time.
  double of(double bytes) const { return 1 / reads_per_second + bytes / bytes_per_second; }
};

}  // namespace relhop
