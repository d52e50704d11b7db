// The kernels of this folder, one set per instruction set.
#pragma once

#include "backends/cpu/isa.h"

namespace mainspring::cpu::MAINSPRING_ISA {

void rms_norm(const void* op, const KernelContext& ctx);
void add_rms_norm(const void* op, const KernelContext& ctx);
void rms_norm_add(const void* op, const KernelContext& ctx);
void rope_table(const void* op, const KernelContext& ctx);
void rope(const void* op, const KernelContext& ctx);
void kv_write(const void* op, const KernelContext& ctx);
void attention(const void* op, const KernelContext& ctx);
size_t attention_scratch(const void* op, int n_threads);
void gated_act(const void* op, const KernelContext& ctx);
void gather_rows(const void* op, const KernelContext& ctx);

}  // namespace mainspring::cpu::MAINSPRING_ISA
