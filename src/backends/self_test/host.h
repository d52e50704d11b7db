// Host-side data for operation tests: random tensors with room for strides, and comparisons that say where they failed.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/str.h"
#include "ops/all.h"
#include "ops/device.h"

namespace mainspring::self_test {

using Random = std::mt19937;

// f32 values behind a view; `pad` extra columns per row make the view strided.
struct Values {
  std::vector<float> data;
  int32_t d0 = 0, d1 = 1, d2 = 1, stride = 0;

  Values() = default;
  Values(int64_t a, int64_t b, int64_t c, int64_t pad = 0)
      : data(static_cast<size_t>(a * (b * c + pad)), 0.0f), d0(static_cast<int32_t>(a)), d1(static_cast<int32_t>(b)),
        d2(static_cast<int32_t>(c)), stride(static_cast<int32_t>(b * c + pad)) {}
  static Values normal(Random& rng, int64_t a, int64_t b, int64_t c, int64_t pad = 0, float scale = 1.0f) {
    Values v(a, b, c, pad);
    std::normal_distribution<float> dist(0.0f, scale);
    for (float& x : v.data) x = dist(rng);
    return v;
  }
  Tensor matrix() {  // [d0, d1 * d2]
    Tensor t(data.data(), DType::kF32, d0, int64_t{d1} * d2);
    t.stride0 = stride;
    return t;
  }
  Tensor cube() {
    Tensor t(data.data(), DType::kF32, d0, d1, d2);
    t.stride0 = stride;
    return t;
  }
  Tensor vector() { return Tensor(data.data(), DType::kF32, static_cast<int64_t>(data.size())); }
};

struct Ints {
  std::vector<int32_t> data;
  ConstTensor vector() const { return ConstTensor(data.data(), DType::kI32, static_cast<int64_t>(data.size())); }
};

// Reserves the scratch memory the op asks for, checks its shapes and runs it.
template <class Op>
void run(Device& device, const Op& op) {
  ops::check(op);
  device.reserve_scratch(device.scratch_bytes(OpTraits<Op>::kId, &op));
  device.run(op);
  device.sync();
}

// "" when every |a - b| <= tolerance * max |b| + relative * |b|, else the first offence.
inline std::string near(const std::string& what, const std::vector<float>& a, const std::vector<float>& b,
                        double tolerance, double relative = 0) {
  double top = 0, worst = 0;
  for (float x : b) top = std::isfinite(x) ? std::fmax(top, std::fabs(x)) : top;
  size_t at = 0;
  if (a.size() != b.size()) return cat(what, ": ", a.size(), " values against ", b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    const double bound = tolerance * top + relative * std::fabs(b[i]), off = std::fabs(double{a[i]} - b[i]);
    const double excess = off <= bound ? 0 : std::isfinite(off) ? off - bound : INFINITY;
    if (!(excess <= worst)) worst = excess, at = i;
  }
  if (worst == 0) return "";
  return cat(what, ": value ", at, " of ", a.size(), " is ", a[at], ", expected ", b[at], " (tolerance ", tolerance,
             " of ", top, ")");
}

inline std::string same_bits(const std::string& what, const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return cat(what, ": ", a.size(), " values against ", b.size());
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0)
      return cat(what, ": value ", i, " of ", a.size(), " differs in bits: ", a[i], " against ", b[i]);
  return "";
}

}  // namespace mainspring::self_test
