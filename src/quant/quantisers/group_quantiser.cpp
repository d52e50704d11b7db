// The search. With the scale that fits codes q best, sum(w q) / sum(q q), the squared error is
// sum(w w) - sum(w q)^2 / sum(q q): candidates are compared by the last term alone.
//
// Lanes of the vectors are candidates, not weights: every sum runs over the weights in their order, so that codes are
// the same on every machine, and nothing has to be added across lanes.
#include "quant/quantisers/group_quantiser.h"

#include <cstring>

namespace mainspring {

namespace {

constexpr int kLanes = 16;
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds |x| < 2^22 to the nearest even integer
constexpr float kNothing = 1e-30f;          // groups below are zeros: their scale would be subnormal
constexpr int64_t kBlock = 128;             // weights per partial sum, for long rows

// The range's ends are drawn in by these shares: clipping a few outliers makes the steps of all others finer.
constexpr int kCandidates = 12;
constexpr float kShrink[kCandidates] = {1.0f,  0.98f, 0.96f, 0.94f, 0.92f, 0.90f,
                                        0.88f, 0.86f, 0.84f, 0.82f, 0.80f, 0.78f};

// q = clamp(round(w * inverse), low, high)
inline float code_of(float w, float inverse, float low, float high) noexcept {
  float q = (w * inverse + kRoundMagic) - kRoundMagic;
  q = q < low ? low : q;
  return q > high ? high : q;
}

// Four numbers side by side: compilers need no help to find vectors then.
typedef float Four __attribute__((vector_size(16)));
constexpr int kFours = kCandidates / 4;

struct Fits {
  Four wq[kFours] = {}, qq[kFours] = {};
};

inline void add(const Fits& from, Fits& to) noexcept {
  for (int v = 0; v < kFours; ++v) to.wq[v] += from.wq[v], to.qq[v] += from.qq[v];
}

Fits fit(const float* w, int64_t n, const float* inverses, float low, float high) noexcept {
  Four inverse[kFours];
  std::memcpy(inverse, inverses, sizeof inverse);
  Fits sums;
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t end = n - first < kBlock ? n : first + kBlock;
    Four wq0 = {}, wq1 = {}, wq2 = {}, qq0 = {}, qq1 = {}, qq2 = {};
    const auto one = [low, high](float v, Four inv, Four& wq, Four& qq) __attribute__((always_inline)) {
      Four q = (v * inv + kRoundMagic) - kRoundMagic;
      q = q < low ? low + Four{} : q;
      q = q > high ? high + Four{} : q;
      wq += v * q;
      qq += q * q;
    };
    for (int64_t i = first; i < end; ++i) {
      one(w[i], inverse[0], wq0, qq0);
      one(w[i], inverse[1], wq1, qq1);
      one(w[i], inverse[2], wq2, qq2);
    }
    add({{wq0, wq1, wq2}, {qq0, qq1, qq2}}, sums);
  }
  return sums;
}
static_assert(kFours == 3);

// The scale of least squared error for codes low..high whose step is `step` without clipping; 0 when no code fits.
float best_scale(const float* w, int64_t n, float step, float low, float high) noexcept {
  float inverse[kCandidates];
  for (int c = 0; c < kCandidates; ++c) inverse[c] = 1.0f / (step * kShrink[c]);
  const Fits f = fit(w, n, inverse, low, high);
  float best = 0, scale = 0;
  for (int c = 0; c < kCandidates; ++c) {
    const float wq = f.wq[c / 4][c % 4], qq = f.qq[c / 4][c % 4];
    if (!(qq > 0)) continue;
    const float steps = wq * inverse[0], fitted = wq / qq, gain = steps * (steps / qq);  // in steps: no underflow
    if (gain > best) best = gain, scale = fitted;
  }
  return scale;
}

// The codes nearest to the weights, plus `zero`.
void write_codes(const float* w, int64_t n, float scale, float low, float high, int zero, uint8_t* codes) noexcept {
  if (!(scale > 0)) return static_cast<void>(std::memset(codes, zero, static_cast<size_t>(n)));
  const float inverse = 1.0f / scale;
  for (int64_t i = 0; i < n; ++i)
    codes[i] = static_cast<uint8_t>(static_cast<int>(code_of(w[i], inverse, low, high)) + zero);
}

struct Range {
  float low = 0, high = 0;
};

Range range_with_zero(const float* w, int64_t n) noexcept {
  float low[kLanes] = {}, high[kLanes] = {};
  const auto take = [&](int l, float v) {
    low[l] = v < low[l] ? v : low[l];
    high[l] = v > high[l] ? v : high[l];
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) take(l, w[i + l]);
  for (; i < n; ++i) take(0, w[i]);
  Range r;
  for (int l = 0; l < kLanes; ++l) {
    r.low = low[l] < r.low ? low[l] : r.low;
    r.high = high[l] > r.high ? high[l] : r.high;
  }
  return r;
}

}  // namespace

GroupScale quantise_asymmetric(const float* w, int64_t n, int bits, uint8_t* codes) noexcept {
  const float top = static_cast<float>((1 << bits) - 1);
  const Range r = range_with_zero(w, n);
  float zero = 0, scale = 0;
  if (r.high - r.low >= kNothing) {
    const float step = (r.high - r.low) / top;
    // The zero point stays the same while both ends are drawn in. (Trying its neighbours too is worth 0.2 % of the
    // error of groups of 128, 0.7 % of 32, and takes three times as long.)
    zero = (-r.low / step + kRoundMagic) - kRoundMagic;
    scale = best_scale(w, n, step, -zero, top - zero);
  }
  write_codes(w, n, scale, -zero, top - zero, static_cast<int>(zero), codes);
  return {scale, -scale * zero};
}

GroupScale quantise_symmetric(const float* w, int64_t n, int bits, uint8_t* codes) noexcept {
  const float top = static_cast<float>((1 << (bits - 1)) - 1);
  const Range r = range_with_zero(w, n);
  const float largest = r.high > -r.low ? r.high : -r.low;
  const float scale = largest >= kNothing ? best_scale(w, n, largest / top, -top, top) : 0.0f;
  write_codes(w, n, scale, -top, top, 0, codes);
  return {scale, 0.0f};
}

bool all_finite(const float* w, int64_t n) noexcept {
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) sums[l] += w[i + l] * 0.0f;  // not a number for what is not finite
  for (; i < n; ++i) sums[0] += w[i] * 0.0f;
  float sum = 0;
  for (const float s : sums) sum += s;
  return sum == 0.0f;
}

}  // namespace mainspring
