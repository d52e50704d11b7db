// Passes over a whole row of logits, one table of functions per instruction set. All tables give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mainspring {

// Logits per block of the maxima and of the sums below. Adding up lanes costs as much as three vectors of exponentials, so
// that sums are of more.
inline constexpr int64_t kScanBlock = 64, kSumBlock = 256;
constexpr int64_t scan_blocks(int64_t n) { return (n + kScanBlock - 1) / kScanBlock; }
constexpr int64_t sum_blocks(int64_t n) { return (n + kSumBlock - 1) / kSumBlock; }

// How a token's logit tells its distance from a centre, as exponents: -|(x - shift) * scale - centre|.
struct ScanFold {
  float shift = 0, scale = 1, centre = 0;
  float key(float x) const {
    const float d = (x - shift) * scale - centre;
    return d < 0 ? d : -d;
  }
};

struct ScanKernels {
  const char* name = "";
  // maxima[b] = the largest of block b, -inf when it has none; returns the largest of all. NaN is never the largest.
  float (*block_max)(const float* x, int64_t n, float* maxima);
  // w[i] = exp((x[i] - shift) * scale) for x <= shift, exactly 1 at x = shift; 0 below 2^-126 and for NaN. Relative error
  // below 3e-7 + 1.2e-7 |(x - shift) * scale|.
  void (*weights)(const float* x, int64_t n, float shift, float scale, float* w);
  // sums[b] = the sum of block b's weights, added in one fixed order; returns the sum of all.
  double (*block_sum)(const float* x, int64_t n, float shift, float scale, float* sums);
  // The next three work with weights as weights() gives them and sums in the order of block_sum().
  // Writes the weights of x >= low, 0 for the others, and the sums of both kinds of block_sum; *moment = the sum of
  // w[i] * (x[i] - shift) * scale.
  double (*weigh)(const float* x, int64_t n, float shift, float scale, float low, float* w, float* sums, double* moment);
  // Returns the sum of all weights. high_sums[b] = the sum of block b's weights where x >= high. Collects the ids where
  // low <= x < high (room for n); *count says how many.
  double (*cut)(const float* x, int64_t n, float shift, float scale, float low, float high, float* high_sums, int32_t* ids,
                int64_t* count);
  // The same for given weights and folded keys; returns how many were collected.
  int64_t (*cut_folded)(const float* x, const float* w, int64_t n, const ScanFold& fold, float low, float high,
                        float* high_sums, int32_t* ids);
  // x[i] = -inf where bit i of `allowed` is 0.
  void (*mask)(float* x, int64_t n, const uint32_t* allowed);
  int64_t (*count_above)(const float* x, int64_t n, float value);     // x > value
  int64_t (*count_at_least)(const float* x, int64_t n, float value);  // x >= value
  // Sum of mass[i] where keys[i] >= value, in one fixed order.
  double (*mass_at_least)(const float* keys, const float* mass, int64_t n, float value);
  // Writes first_id + i and x[i] for every low <= x[i] < high; returns how many. The outputs have room for n entries.
  int64_t (*collect)(const float* x, int64_t n, float low, float high, int32_t first_id, int32_t* ids, float* values);
  // Keeps the entries with keys[i] >= low, in place and in order; returns how many. `keys` may be one of the arrays.
  int64_t (*compact)(const float* keys, int64_t n, float low, int32_t* ids, float* a, float* b);
};

// The best one this CPU can run.
const ScanKernels& scan_kernels() noexcept;
// Every one this CPU can run, the portable one first; writes at most `room` pointers and returns how many.
size_t all_scan_kernels(const ScanKernels** out, size_t room) noexcept;

}  // namespace mainspring
