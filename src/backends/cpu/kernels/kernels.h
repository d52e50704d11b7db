// The kernels of this folder, one set per instruction set.
#pragma once

#include "backends/cpu/isa.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// rms_norm(op, ctx), attention(op, ctx), ...: one function per line of ops.def (linear and embed are in linear/).
#define MAINSPRING_OP(Type, name) void name(const void* op, const KernelContext& ctx);
#include "ops/ops.def"
#undef MAINSPRING_OP

// Scratch memory of an operation; none unless stated here.
template <OpId id>
inline constexpr ScratchSize kScratch = nullptr;
size_t attention_scratch(const void* op, int n_threads);
size_t linear_scratch(const void* op, int n_threads);
template <>
inline constexpr ScratchSize kScratch<OpId::kAttention> = &attention_scratch;
template <>
inline constexpr ScratchSize kScratch<OpId::kLinear> = &linear_scratch;

}  // namespace mainspring::cpu::MAINSPRING_ISA
