// The Python face of the native code. Only this folder knows Python; the GIL is released around all work, and errors
// become Python's here.
#include "base/error.h"
#include "bindings/modules.h"

namespace relhop {

namespace nb = nanobind;

NB_MODULE(_native, m) {
  m.attr("__doc__") = "Sampling and gathering of neighborhoods; see native/ for the code behind it.";
  // Objects that a module of the user's keeps are alive when the interpreter ends: no cause for alarm.
  nb::set_leak_warnings(false);
  // Never released: the interpreter may be gone when static objects are destroyed.
  static PyObject* corrupt_store =
      nb::object(nb::module_::import_("relhop.errors").attr("CorruptStore")).release().ptr();
  static PyObject* store_error = nb::object(nb::module_::import_("relhop.errors").attr("StoreError")).release().ptr();
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const CorruptStore& error) {
      PyErr_SetString(corrupt_store, error.what());
    } catch (const IoError& error) {
      PyErr_SetString(store_error, error.what());
    }
  });

  bind_io(m);
  bind_packed(m);
  bind_paging(m);
  bind_build(m);
  bind_sampling(m);
  bind_records(m);
  bind_rows(m);
  bind_loading(m);
  bind_text(m);
}

}  // namespace relhop
