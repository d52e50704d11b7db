// Passes over a row that need every logit: the maxima of blocks, weights and their sums. See sampler_lanes.h.
#include "engine/sampler_lanes.h"
#include "engine/sampler_scan_parts.h"

namespace mainspring {

namespace {

SCAN_INLINE Floats max_of_block(const float* x) {
  return larger(larger(load(x), load(x + 16)), larger(load(x + 32), larger(load(x + 48), splat(kMinusInfinity))));
}
SCAN_INLINE float block_max_body(const float* x, int64_t n, float* maxima) {
  Floats all = splat(kMinusInfinity);
  int64_t b = 0;
  for (; (b + 1) * kScanBlock <= n; ++b) {
    const Floats m = max_of_block(x + b * kScanBlock);
    all = larger(m, all);
    maxima[b] = horizontal_max(m);
  }
  if (b * kScanBlock < n) {
    Tail<kScanBlock> t;
    fill_tail(t, x + b * kScanBlock, n - b * kScanBlock);
    const Floats m = max_of_block(t.x);
    all = larger(m, all);
    maxima[b] = horizontal_max(m);
  }
  return horizontal_max(all);
}

SCAN_INLINE void weights_body(const float* x, int64_t n, float shift, float scale, float* w) {
  const auto e = Exponential::of(shift, scale);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(w + i, value_of(weight_of(load(x + i), e)));
  if (i == n) return;
  Tail<kLanes> t;
  fill_tail(t, x + i, n - i);
  store(t.x, value_of(weight_of(load(t.x), e)));
  for (int64_t j = i; j < n; ++j) w[j] = t.x[j - i];
}

SCAN_INLINE float sum_of_block(const float* x, const Exponential& e) {
  Lanes4 sum;
  for (int64_t i = 0; i < kSumBlock; i += 4 * kLanes)
    for (int v = 0; v < 4; ++v) sum.v[v] = add_weight(weight_of(load(x + i + v * kLanes), e), sum.v[v]);
  return sum.total();
}
SCAN_INLINE double block_sum_body(const float* x, int64_t n, float shift, float scale, float* sums) {
  const auto e = Exponential::of(shift, scale);
  Total total;
  int64_t b = 0;
  for (; (b + 1) * kSumBlock <= n; ++b) total.add(b, sums[b] = sum_of_block(x + b * kSumBlock, e));
  if (b * kSumBlock < n) {
    Tail<kSumBlock> t;
    fill_tail(t, x + b * kSumBlock, n - b * kSumBlock);
    total.add(b, sums[b] = sum_of_block(t.x, e));
  }
  return total.get();
}

// Adds the sum of weight * (x - shift) to *moment.
SCAN_INLINE float weigh_block(const float* x, float* w, const Exponential& e, float low, double* moment) {
  Lanes4 sum, part;
  for (int64_t i = 0; i < kSumBlock; i += 4 * kLanes)
    for (int v = 0; v < 4; ++v) {
      const Floats value = load(x + i + v * kLanes);
      Weight weight = weight_of(value, e);
      weight.has &= value >= splat(low);
      const Floats exact = value_of(weight);
      store(w + i + v * kLanes, exact);
      sum.v[v] = sum.v[v] + exact;
      part.v[v] = weight.has ? fused(exact, weight.distance, part.v[v]) : part.v[v];  // the distance may be -inf
    }
  *moment += static_cast<double>(part.total());
  return sum.total();
}
SCAN_INLINE double weigh_body(const float* x, int64_t n, float shift, float scale, float low, float* w, float* sums,
                              double* moment) {
  const auto e = Exponential::of(shift, scale);
  double moments = 0;
  Total total;
  int64_t b = 0;
  for (; (b + 1) * kSumBlock <= n; ++b)
    total.add(b, sums[b] = weigh_block(x + b * kSumBlock, w + b * kSumBlock, e, low, &moments));
  if (b * kSumBlock < n) {
    Tail<kSumBlock> t, weights;
    fill_tail(t, x + b * kSumBlock, n - b * kSumBlock);
    total.add(b, sums[b] = weigh_block(t.x, weights.x, e, low, &moments));
    for (int64_t i = b * kSumBlock; i < n; ++i) w[i] = weights.x[i - b * kSumBlock];
  }
  *moment = moments * static_cast<double>(scale);
  return total.get();
}

}  // namespace

#define SCAN_SUMS(isa, attribute)                                                                                      \
  namespace {                                                                                                          \
  attribute float block_max_##isa(const float* x, int64_t n, float* maxima) { return block_max_body(x, n, maxima); }   \
  attribute void weights_##isa(const float* x, int64_t n, float shift, float scale, float* w) {                        \
    weights_body(x, n, shift, scale, w);                                                                               \
  }                                                                                                                    \
  attribute double block_sum_##isa(const float* x, int64_t n, float shift, float scale, float* sums) {                 \
    return block_sum_body(x, n, shift, scale, sums);                                                                   \
  }                                                                                                                    \
  attribute double weigh_##isa(const float* x, int64_t n, float shift, float scale, float low, float* w, float* sums,  \
                               double* moment) {                                                                       \
    return weigh_body(x, n, shift, scale, low, w, sums, moment);                                                       \
  }                                                                                                                    \
  }                                                                                                                    \
  void set_sums_##isa(ScanKernels& k) noexcept {                                                                       \
    k.block_max = block_max_##isa;                                                                                     \
    k.weights = weights_##isa;                                                                                         \
    k.block_sum = block_sum_##isa;                                                                                     \
    k.weigh = weigh_##isa;                                                                                             \
  }

SCAN_SUMS(portable, )
#if defined(__x86_64__)
SCAN_SUMS(avx2, SCAN_AVX2)
SCAN_SUMS(avx512, SCAN_AVX512)
#endif

}  // namespace mainspring
