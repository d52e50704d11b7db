// Devices by name.
#pragma once

#include <memory>

#include "mainspring/engine.h"
#include "ops/device.h"

namespace mainspring {

// kInvalidInput lists the devices and instruction sets that exist.
std::unique_ptr<Device> make_device(const ModelOptions& options);
int64_t device_threads(const Device& device);

}  // namespace mainspring
