// The checks by name; checks.cpp lists them.
#pragma once

#include <string>

#include "ops/device.h"

namespace mainspring::self_test {

std::string attention_formats(Device& ref, Device& device);
std::string attention_groups(Device& ref, Device& device);
std::string attention_head_dims(Device& ref, Device& device);
std::string attention_masks(Device& ref, Device& device);
std::string attention_sharp(Device& ref, Device& device);
std::string attention_range(Device& ref, Device& device);
std::string attention_long(Device& ref, Device& device);
std::string attention_invariance(Device& ref, Device& device);
std::string attention_poison(Device& ref, Device& device);
std::string linear_dense(Device& ref, Device& device);
std::string linear_groups(Device& ref, Device& device);
std::string linear_int8_activations(Device& ref, Device& device);
std::string linear_invariance(Device& ref, Device& device);
std::string embed(Device& ref, Device& device);

}  // namespace mainspring::self_test
