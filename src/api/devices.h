// Devices by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mainspring/engine.h"
#include "ops/device.h"

namespace mainspring {

// kInvalidInput lists the devices and instruction sets that exist.
std::unique_ptr<Device> make_device(const ModelOptions& options);
int64_t device_threads(const Device& device);
// Instruction set of a cpu device ("avx512"), empty for others.
std::string device_isa(const Device& device);

// Instruction sets of the CPU device in this build, best first, and whether this processor runs them.
struct IsaInfo {
  std::string name;
  bool usable = false;
  int lanes = 0;  // those with as many read each other's packed weights
};
std::vector<IsaInfo> compiled_isas();

}  // namespace mainspring
