// What a device that does not say otherwise does.
#include "ops/device.h"

#include "base/str.h"

namespace mainspring {

std::unique_ptr<LinearWeight> Device::bind_packed(const PackedMatrix& matrix) {
  fail(Code::kUnsupported, matrix.where, ": device ", name(), " cannot use packed matrices");
}

}  // namespace mainspring
