#include "io/faults.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace relhop {

std::atomic<bool> faults_are_on = false;

namespace {

struct Faults {
  std::mutex mutex;
  std::vector<Fault> all;
  uint64_t strikes = 0;
};

Faults& faults() {
  static Faults shared;
  return shared;
}

// Whether it is the fault's turn; counts it.
bool strikes(Fault& fault) {
  if (fault.after > 0) {
    --fault.after;
    return false;
  }
  if (fault.times == 0) return false;
  --fault.times;
  ++faults().strikes;
  return true;
}

bool brings(const Fault& flip, uint64_t offset, int64_t result) {
  return result > 0 && flip.offset >= offset && flip.offset - offset < static_cast<uint64_t>(result);
}

}  // namespace

void inject(const Fault& fault) {
  const std::lock_guard lock(faults().mutex);
  faults().all.push_back(fault);
  faults_are_on = true;
}

uint64_t clear_faults() {
  const std::lock_guard lock(faults().mutex);
  faults_are_on = false;
  faults().all.clear();
  return std::exchange(faults().strikes, 0);
}

int64_t struck(const std::string& path, uint64_t offset, std::span<std::byte> bytes, int64_t result) {
  const std::lock_guard lock(faults().mutex);
  for (Fault& fault : faults().all) {
    if (fault.kind == Fault::Kind::refuse || path.find(fault.path) == std::string::npos) continue;
    if (fault.kind == Fault::Kind::flip && !brings(fault, offset, result)) continue;
    if (!strikes(fault)) continue;
    if (fault.kind == Fault::Kind::fail) result = -fault.value;
    if (fault.kind == Fault::Kind::cut) result = std::min(result, fault.value);
    if (fault.kind == Fault::Kind::flip) bytes[fault.offset - offset] ^= static_cast<std::byte>(fault.value);
  }
  return result;
}

int refusal_of(const char* step) {
  const std::lock_guard lock(faults().mutex);
  for (Fault& fault : faults().all)
    if (fault.kind == Fault::Kind::refuse && fault.path == step && strikes(fault)) return static_cast<int>(fault.value);
  return 0;
}

}  // namespace relhop
