// What the files of passes give to the tables of sampler_scan.cpp: one setter per subject and instruction set.
#pragma once

#include "engine/sampler_scan.h"

namespace mainspring {

void set_sums_portable(ScanKernels& k) noexcept;
void set_selections_portable(ScanKernels& k) noexcept;
#if defined(__x86_64__)
void set_sums_avx2(ScanKernels& k) noexcept;
void set_selections_avx2(ScanKernels& k) noexcept;
void set_sums_avx512(ScanKernels& k) noexcept;
void set_selections_avx512(ScanKernels& k) noexcept;
#endif

}  // namespace mainspring
