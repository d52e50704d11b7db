// What processor this is: instruction sets and how many threads are worth starting.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "backends/cpu/isa.h"

namespace mainspring::cpu {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA, F16C, and the system saves the registers
  bool avx512 = false;       // F, BW, VL, DQ and VNNI
  bool avx512_bf16 = false;
  bool amx = false;          // tiles of int8 and of bf16, and avx512_bf16
  bool neon = false;         // AArch64 with dot product and fp16
};
CpuFeatures cpu_features();

// Tables compiled into this program, best first.
std::span<const IsaTable* const> all_isa_tables();
bool can_run(const IsaTable& table, const CpuFeatures& features);
// The named table, or the best one that this processor can run for "". kUnsupported lists the names.
const IsaTable& select_isa(std::string_view name);

// Physical cores among the CPUs this process may use, at most the control group's quota; at least 1.
int default_threads();

}  // namespace mainspring::cpu
