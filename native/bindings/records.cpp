// Checksums of records, and numbers as records keep them.
#include "base/crc32c.h"
#include "bindings/arrays.h"
#include "bindings/modules.h"
#include "rows/checksums.h"
#include "rows/compact.h"

namespace relhop {

namespace {

std::span<const std::byte> bytes_of(const Array<uint8_t>& array) { return std::as_bytes(view(array)); }

struct SharedChecksums {
  Array<uint32_t> checksums;
  std::optional<SharedRows> slots;
  RecordChecksums records;
};

Buffer<float> decode_numbers(NumberKind kind, const Array<uint8_t>& codes, float scale, float zero, bool portable) {
  const size_t count = codes.size() / bytes_of(kind);
  const std::vector<float> scales(count, scale), zeros(count, zero);
  Buffer<float> numbers(count);
  decoder_of(kind, portable)(bytes_of(codes).data(), count, scales.data(), zeros.data(), numbers.data());
  return numbers;
}

}  // namespace

void bind_records(nb::module_& m) {
  m.attr("CHECKSUM_BLOCK") = kChecksumBlock;
  m.def(
      "crc32c_blocks",
      [](const Array<uint8_t>& bytes, bool portable) {
        Buffer<uint32_t> checksums((bytes.size() + kChecksumBlock - 1) / kChecksumBlock);
        {
          nb::gil_scoped_release release;
          crc32c_blocks(bytes_of(bytes), kChecksumBlock, checksums.data(), portable);
        }
        return give(checksums);
      },
      "bytes"_a, "portable"_a = false,
      nb::sig("def crc32c_blocks(bytes: NDArray[numpy.uint8], portable: bool = False) -> NDArray[numpy.uint32]"),
      "CRC-32C of each block of CHECKSUM_BLOCK bytes, the last one of what is left.");
  nb::class_<SharedChecksums>(m, "RecordChecksums")
      .def(nb::new_([](std::string path, uint64_t size, size_t record_size, const Array<uint32_t>& checksums,
                       std::optional<SharedRows> slots) {
             if (record_size == 0) throw nb::value_error("record_size: at least 1");
             const PackedRows rows = slots ? slots->rows : PackedRows();
             return SharedChecksums{
                 checksums, std::move(slots), {std::move(path), size, record_size, view(checksums), rows}};
           }),
           "path"_a, "size"_a, "record_size"_a, "checksums"_a, "slots"_a = nb::none())
      .def(
          "check_blocks",
          [](const SharedChecksums& self, const Array<uint8_t>& bytes, uint64_t first_block) {
            nb::gil_scoped_release release;
            self.records.check_blocks(bytes_of(bytes), first_block);
          },
          "bytes"_a, "first_block"_a,
          nb::sig("def check_blocks(self, bytes: NDArray[numpy.uint8], first_block: int) -> None"),
          "Compares blocks of the file, whole but for its last, with their checksums. Raises CorruptStore naming file, "
          "block and row.");

  nb::enum_<NumberKind>(m, "NumberKind")
      .value("float32", NumberKind::float32)
      .value("float16", NumberKind::float16)
      .value("bfloat16", NumberKind::bfloat16)
      .value("int8", NumberKind::int8);
  nb::class_<Numbers>(m, "Numbers")
      .def(
          "__init__",
          [](Numbers* self, NumberKind kind, std::vector<float> scales, std::vector<float> zeros) {
            new (self) Numbers{kind, std::move(scales), std::move(zeros)};
          },
          "kind"_a, "scales"_a = std::vector<float>(), "zeros"_a = std::vector<float>(),
          "How a table keeps its numbers; scales and zeros are those of int8.");
  m.def(
      "decode_numbers",
      [](NumberKind kind, const Array<uint8_t>& codes, float scale, float zero, bool portable) {
        Buffer<float> numbers;
        {
          nb::gil_scoped_release release;
          numbers = decode_numbers(kind, codes, scale, zero, portable);
        }
        return give(numbers);
      },
      "kind"_a, "codes"_a, "scale"_a = 1.0f, "zero"_a = 0.0f, "portable"_a = false,
      nb::sig("def decode_numbers(kind: NumberKind, codes: NDArray[numpy.uint8], scale: float = 1.0, zero: float = 0.0,"
              " portable: bool = False) -> NDArray[numpy.float32]"),
      "A column of numbers as a record keeps them; see native/rows/compact.h.");
}

}  // namespace relhop
