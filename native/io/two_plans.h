// Which records to read now, and which another time: those that lie near others which must be read now cost less now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/device.h"
#include "io/direct_file.h"

namespace relhop {

// `records`: ascending, distinct, of the file. now[i] comes in as whether record i must be read now, and goes out as
// whether it should be: all of them are shared by two plans, one now and one later, so that both together cost the
// least; what costs the same is read later. A plan's neighbors are merged where no record of the other plan lies
// between them. Takes a few nanoseconds a record.
void choose_now(std::span<const uint64_t> records, std::span<uint8_t> now, uint64_t record_size, const DirectFile& file,
                const DeviceCost& cost);

}  // namespace relhop
