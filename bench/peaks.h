// Peak rates of the multiply-add instructions a kernel could be made of, from registers alone: G operations a second, one
// multiply-add being two. x86 only; elsewhere, and for what the processor lacks, the list is empty.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "machine_state.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mainspring::bench {

struct Peak {
  std::string name;                    // "fma", "vpdpbusd", ...
  double one_thread = 0, two_threads = 0;
};

#if defined(__x86_64__) && defined(__linux__)
namespace peaks {

// 24 independent sums: more than latency times ports of any of these instructions.
#define MS_SUMS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) \
                   X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
#define MS_VECTOR_LOOP(function, instruction, target_list)                                     \
  __attribute__((target(target_list), noinline)) inline void function(int64_t n) {              \
    asm volatile("vpxorq %%zmm30, %%zmm30, %%zmm30\n\tvpxorq %%zmm31, %%zmm31, %%zmm31" ::: "xmm30", "xmm31"); \
    for (int64_t i = 0; i < n; ++i) {                                                           \
      MS_SUMS(instruction)                                                                      \
    }                                                                                           \
  }
#define MS_FMA(k) asm volatile("vfmadd231ps %%zmm30, %%zmm31, %%zmm" #k ::: "xmm" #k);
#define MS_DPBF16(k) asm volatile("vdpbf16ps %%zmm30, %%zmm31, %%zmm" #k ::: "xmm" #k);
#define MS_DPBUSD(k) asm volatile("vpdpbusd %%zmm30, %%zmm31, %%zmm" #k ::: "xmm" #k);
#define MS_DPWSSD(k) asm volatile("vpdpwssd %%zmm30, %%zmm31, %%zmm" #k ::: "xmm" #k);
MS_VECTOR_LOOP(fma, MS_FMA, "avx512f")
MS_VECTOR_LOOP(dpbf16, MS_DPBF16, "avx512f,avx512bf16")
MS_VECTOR_LOOP(dpbusd, MS_DPBUSD, "avx512f,avx512vnni")
MS_VECTOR_LOOP(dpwssd, MS_DPWSSD, "avx512f,avx512vnni")

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Four sums from two left and two right tiles. `memory` is named so that the configuration is stored before it is loaded.
#define MS_TILE_LOOP(function, instruction)                                                                  \
  __attribute__((target("amx-tile,amx-int8,amx-bf16"), noinline)) inline void function(int64_t n) {          \
    const TileConfig config;                                                                                 \
    asm volatile("ldtilecfg %0" ::"m"(config) : "memory");                                                   \
    asm volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3\n\t"              \
                 "tilezero %%tmm4\n\ttilezero %%tmm5\n\ttilezero %%tmm6\n\ttilezero %%tmm7" ::: "memory");   \
    for (int64_t i = 0; i < n; ++i)                                                                          \
      asm volatile(instruction " %%tmm6, %%tmm4, %%tmm0\n\t" instruction " %%tmm7, %%tmm4, %%tmm1\n\t"       \
                   instruction " %%tmm6, %%tmm5, %%tmm2\n\t" instruction " %%tmm7, %%tmm5, %%tmm3" ::: "memory"); \
    asm volatile("tilerelease" ::: "memory");                                                                \
  }
MS_TILE_LOOP(tile_int8, "tdpbusd")
MS_TILE_LOOP(tile_bf16, "tdpbf16ps")

// Bit `bit` of register `reg` (0 eax .. 3 edx) of leaf 7, subleaf `sub`.
inline bool leaf7(unsigned sub, int reg, int bit) {
  unsigned r[4] = {};
  return __get_cpuid_count(7, sub, &r[0], &r[1], &r[2], &r[3]) && (r[reg] >> bit & 1);
}

inline bool tiles_permitted() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace peaks
#endif

inline std::vector<Peak> measure_peaks() {
  std::vector<Peak> all;
#if defined(__x86_64__) && defined(__linux__)
  using namespace peaks;
  const auto add = [&](const char* name, void (*loop)(int64_t), double ops_per_step, int64_t steps) {
    Peak p{name};
    for (int repeat = 0; repeat < 3; ++repeat)  // the best: a peak is what nothing disturbed
      for (int threads : {1, 2}) {
        if (threads > static_cast<int>(std::thread::hardware_concurrency())) continue;
        const double taken = run_together(threads, [&](int) { loop(steps); });
        double& best = threads == 1 ? p.one_thread : p.two_threads;
        best = std::max(best, ops_per_step * static_cast<double>(steps) * threads / taken / 1e9);
      }
    p.two_threads = std::max(p.two_threads, p.one_thread);
    all.push_back(p);
  };
  constexpr double kSums = 24;
  if (!__builtin_cpu_supports("avx512f")) return all;
  add("fma", fma, kSums * 16 * 2, 200'000);
  if (__builtin_cpu_supports("avx512vnni")) {
    add("vpdpbusd", dpbusd, kSums * 64 * 2, 200'000);
    add("vpdpwssd", dpwssd, kSums * 32 * 2, 200'000);
  }
  if (leaf7(1, 0, 5)) add("vdpbf16ps", dpbf16, kSums * 32 * 2, 100'000);
  const bool tiles = leaf7(0, 3, 24) && tiles_permitted();
  if (tiles && leaf7(0, 3, 22)) add("amx_bf16", tile_bf16, 4.0 * 16 * 16 * 32 * 2, 100'000);
  if (tiles && leaf7(0, 3, 25)) add("amx_int8", tile_int8, 4.0 * 16 * 16 * 64 * 2, 100'000);
#endif
  return all;
}

}  // namespace mainspring::bench
