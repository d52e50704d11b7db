// Reference device: every operation as a plain loop with sums in double. The oracle that other devices are tested
// against, and a device any model can run on. It knows no threads and rounds no
// activations except for formats that want them in int8.
#pragma once

#include <memory>

#include "ops/device.h"

namespace mainspring {

std::unique_ptr<Device> make_ref_device();

}  // namespace mainspring
