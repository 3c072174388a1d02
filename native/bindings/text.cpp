// What text holds.
#include "bindings/arrays.h"
#include "bindings/modules.h"
#include "text/integers.h"

namespace relhop {

void bind_text(nb::module_& m) {
  m.def(
      "is_integers",
      [](const Array<uint8_t>& text, uint8_t delimiter, size_t num_fields) {
        nb::gil_scoped_release release;
        return is_integers(view(text), delimiter, num_fields);
      },
      "text"_a, "delimiter"_a, "num_fields"_a,
      nb::sig("def is_integers(text: NDArray[numpy.uint8], delimiter: int, num_fields: int) -> bool"),
      "Whether each line after the first has so many fields, each empty or an integer: at most 18 digits, perhaps "
      "after a minus. Lines end as the first one does, and none is empty.");
}

}  // namespace relhop
