// The tables of sampler_scan.h: which instruction sets there are and which this CPU has.
#include "engine/sampler_scan.h"

#include <array>

#include "engine/sampler_scan_parts.h"

namespace mainspring {

namespace {

#define SCAN_TABLE(isa)             \
  ScanKernels isa##_table() noexcept { \
    ScanKernels k;                  \
    k.name = #isa;                  \
    set_sums_##isa(k);              \
    set_selections_##isa(k);        \
    return k;                       \
  }
SCAN_TABLE(portable)
#if defined(__x86_64__)
SCAN_TABLE(avx2)
SCAN_TABLE(avx512)
#endif

}  // namespace

size_t all_scan_kernels(const ScanKernels** out, size_t room) noexcept {
  size_t n = 0;
  const auto put = [&](const ScanKernels& k) {
    if (n < room) out[n++] = &k;
  };
  static const ScanKernels portable = portable_table();
  put(portable);
#if defined(__x86_64__)
  static const ScanKernels avx2 = avx2_table(), avx512 = avx512_table();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) put(avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    put(avx512);
#endif
  return n;
}

const ScanKernels& scan_kernels() noexcept {
  const ScanKernels* all[3];
  return *all[all_scan_kernels(all, 3) - 1];
}

}  // namespace mainspring
