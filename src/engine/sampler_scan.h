// Passes over a whole row of logits, one table of functions per instruction set. All tables give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mainspring {

// Logits per block of the maxima and sums below.
inline constexpr int64_t kScanBlock = 64;
constexpr int64_t scan_blocks(int64_t n) { return (n + kScanBlock - 1) / kScanBlock; }

struct ScanKernels {
  const char* name;
  // maxima[b] = the largest of block b, -inf when it has none. NaN is never the largest.
  void (*block_max)(const float* x, int64_t n, float* maxima);
  // w[i] = exp((x[i] - shift) * scale) for x <= shift; 0 below exp(-87) and for NaN. Relative error below 2e-7.
  void (*weights)(const float* x, int64_t n, float shift, float scale, float* w);
  // sums[b] = the sum of block b's weights, added in one fixed order.
  void (*block_sum)(const float* x, int64_t n, float shift, float scale, float* sums);
  // x[i] = -inf where bit i of `allowed` is 0.
  void (*mask)(float* x, int64_t n, const uint32_t* allowed);
  int64_t (*count_above)(const float* x, int64_t n, float value);     // x > value
  int64_t (*count_at_least)(const float* x, int64_t n, float value);  // x >= value
};

// The best one this CPU can run.
const ScanKernels& scan_kernels() noexcept;
// Every one this CPU can run, the portable one first; writes at most `room` pointers and returns how many.
size_t all_scan_kernels(const ScanKernels** out, size_t room) noexcept;

}  // namespace mainspring
