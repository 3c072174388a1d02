// The parts of the Python module, a file each, in the order in which they are made.
#pragma once

#include <nanobind/nanobind.h>

namespace relhop {

void bind_io(nanobind::module_& m);
void bind_packed(nanobind::module_& m);
void bind_paging(nanobind::module_& m);
void bind_build(nanobind::module_& m);
void bind_sampling(nanobind::module_& m);
void bind_records(nanobind::module_& m);
void bind_rows(nanobind::module_& m);
void bind_loading(nanobind::module_& m);
void bind_text(nanobind::module_& m);

}  // namespace relhop
