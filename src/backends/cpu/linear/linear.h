// Matrix multiplication and embedding of one instruction set.
#pragma once

#include "backends/cpu/isa.h"

namespace mainspring::cpu::MAINSPRING_ISA {

void linear(const void* op, const KernelContext& ctx);
size_t linear_scratch(const void* op, int n_threads);
void embed(const void* op, const KernelContext& ctx);

// Of constant size, so that the ISA table that counts them needs no start-up code (which would be this ISA's code).
extern const LinearKernel* const kLinearKernels[7];
extern const int kNumLinearKernels;

extern const LinearKernel kDenseBf16, kDenseF16, kDenseExact;  // dense.cpp
extern const LinearKernel kGroupExact;                         // group_exact.cpp
extern const LinearKernel kGroupA16;                           // group_a16.cpp
extern const LinearKernel kGroupFixed;                         // group_fixed.cpp
extern const LinearKernel kGroupInt8;                          // group_int8.cpp

}  // namespace mainspring::cpu::MAINSPRING_ISA
