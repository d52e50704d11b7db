// Recognises packed layouts: a small matrix of known numbers is packed, and the hash of the bytes is the layout's
// number. So a kernel that packs in another way than before gets another number without anybody keeping versions.
#pragma once

#include <cstdint>

#include "backends/cpu/isa.h"

namespace mainspring::cpu {

// Of matrices of this format packed by this kernel. Some ten microseconds.
uint64_t layout_number(const LinearKernel& kernel, const WeightFormat& format);

}  // namespace mainspring::cpu
