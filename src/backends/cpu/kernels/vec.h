// The vector type of one instruction set: 32-bit lanes of the machine's native width behind one set of names.
// Kernels are written once over it. Every reduction is a fixed tree, so a result depends on the data alone.
//
//   VF, VI, VM          float lanes, int32 lanes, lane mask        kLanes   lanes in a vector
//   vload vstore        unaligned; *_n: the first n lanes only, n <= kLanes (others read as 0, are not written)
//   vfma(a, b, c)       a * b + c, rounded once; + - * / are the compiler's own vector operators
//   vmax vmin           NaN in the second operand is passed on
//   vsum vmax_of vmin_of  one number from all lanes
//   vround vexp2i       nearest-even integer; x * 2^n for integral n, exact where the result is normal
//   vload_bf16 ...      conversions of packed storage types
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(MAINSPRING_ISA_avx512)
#include "backends/cpu/kernels/vec_avx512.h"
#elif defined(MAINSPRING_ISA_avx2)
#include "backends/cpu/kernels/vec_avx2.h"
#elif defined(MAINSPRING_ISA_neon)
#include "backends/cpu/kernels/vec_neon.h"
#else
#error "compile kernel files with -DMAINSPRING_ISA=<name> -DMAINSPRING_ISA_<name>=1"
#endif
