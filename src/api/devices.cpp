// Devices by name.
#include "api/devices.h"

#include "backends/ref/ref_device.h"
#include "base/str.h"

namespace mainspring {

std::unique_ptr<Device> make_device(const ModelOptions& o) {
  if (o.device == "ref") return make_ref_device();
  fail(Code::kInvalidInput, "device: expected cpu or ref, found \"", printable(o.device), "\"");
}

int64_t device_threads(const Device&) { return 1; }

}  // namespace mainspring
