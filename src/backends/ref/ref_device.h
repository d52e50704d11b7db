// Reference device: every operation as a plain loop with sums in double. The oracle that other devices are tested
// against, and a device any model can run on. It does not round activations and knows no threads.
#pragma once

#include <memory>

#include "ops/device.h"

namespace mainspring {

std::unique_ptr<Device> make_ref_device();

}  // namespace mainspring
