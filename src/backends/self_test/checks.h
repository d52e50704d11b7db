// What every device must fulfil, as plain functions: `mainspring doctor` runs them, GoogleTest runs them on this
// machine's instruction sets, tests/ops/neon_main.cpp under an emulator. Each returns "" or says what is wrong.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ops/device.h"

namespace mainspring::self_test {

struct Check {
  const char* name;
  std::string (*run)(Device& ref, Device& device);
};

// Against the reference device.
const std::vector<Check>& reference_checks();

// The same bits from both devices (other thread counts of one instruction set).
std::string same_results(Device& a, Device& b);

}  // namespace mainspring::self_test
