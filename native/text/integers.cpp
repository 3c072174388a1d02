#include "text/integers.h"

#include <algorithm>

namespace relhop {

namespace {

constexpr size_t kMostDigits = 18;  // of any integer of 64 bits

// What was seen of a line.
struct Line {
  size_t fields = 1;
  size_t digits = 0;  // of its last field
  bool minus = false;
  bool empty = true;

  bool field_is_whole() const { return !minus || digits > 0; }
};

}  // namespace

bool is_integers(std::span<const uint8_t> text, uint8_t delimiter, size_t num_fields) {
  const auto first_end = std::find(text.begin(), text.end(), '\n');
  if (first_end == text.end()) return true;
  const bool has_return = first_end != text.begin() && first_end[-1] == '\r';
  const auto is_whole = [&](const Line& line) {
    return !line.empty && line.field_is_whole() && line.fields == num_fields;
  };
  Line line;
  for (auto at = first_end + 1; at != text.end(); ++at) {
    const uint8_t byte = *at;
    if (byte >= '0' && byte <= '9') {
      if (++line.digits > kMostDigits) return false;
      line.empty = false;
    } else if (byte == delimiter) {
      if (!line.field_is_whole()) return false;
      line = {line.fields + 1, 0, false, false};
    } else if (byte == '-') {
      if (line.digits > 0 || line.minus) return false;
      line.minus = true;
      line.empty = false;
    } else {
      if (has_return && (byte != '\r' || ++at == text.end())) return false;
      if (*at != '\n' || !is_whole(line)) return false;
      line = {};
    }
  }
  return line.empty || is_whole(line);
}

}  // namespace relhop
