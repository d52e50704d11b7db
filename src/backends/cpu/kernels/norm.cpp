// RmsNorm, RmsNormAdd.
#include "backends/cpu/kernels/kernels.h"
#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/vec.h"
#include "ops/rms_norm.h"

namespace mainspring::cpu::MAINSPRING_ISA {
namespace {

// Sum of squares in four chains, joined in a fixed order.
float sum_of_squares(const float* x, int64_t n) {
  VF s[4] = {vset(0.0f), vset(0.0f), vset(0.0f), vset(0.0f)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int u = 0; u < 4; ++u) {
      const VF v = vload(x + i + u * kLanes);
      s[u] = vfma(v, v, s[u]);
    }
  for (int u = 0; i < n; i += kLanes, u = (u + 1) & 3) {
    const VF v = vload_n(x + i, static_cast<int>(n - i < kLanes ? n - i : kLanes));
    s[u] = vfma(v, v, s[u]);
  }
  return vsum((s[0] + s[1]) + (s[2] + s[3]));
}

float inverse_rms(const float* x, int64_t n, float eps) {
  return 1.0f / __builtin_sqrtf(sum_of_squares(x, n) / static_cast<float>(n) + eps);
}

// fn(column, lanes): the columns of a row in vectors.
template <class F>
inline void for_columns(int64_t n, const F& fn) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) fn(i, kLanes);
  if (i < n) fn(i, static_cast<int>(n - i));
}

void normalise(float* out, const float* x, const float* weight, int64_t n, float eps, float offset) {
  const VF r = vset(inverse_rms(x, n, eps)), o = vset(offset);
  for_columns(n, [&](int64_t i, int lanes) {
    vstore_n(out + i, vload_n(x + i, lanes) * r * (vload_n(weight + i, lanes) + o), lanes);
  });
}

}  // namespace

void rms_norm(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::RmsNorm*>(p);
  const bool heads = op.x.rank == 3;
  const int64_t n_heads = heads ? op.x.dims[1] : 1, width = heads ? op.x.dims[2] : op.x.dims[1];
  const float* weight = op.weight.as<float>();
  for_rows(ctx, op.x.rows(), n_heads * width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t h = 0; h < n_heads; ++h)
        normalise(op.out.row<float>(t) + h * width, op.x.row<float>(t) + h * width, weight, width, op.eps,
                  op.weight_offset);
  });
}

void rms_norm_add(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::RmsNormAdd*>(p);
  const int64_t width = op.x.row_elements();
  const float* weight = op.weight.as<float>();
  const VF offset = vset(op.weight_offset);
  for_rows(ctx, op.x.rows(), 2 * width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* residual = op.residual.row<float>(t);
      const float* x = op.x.row<float>(t);
      const VF r = vset(inverse_rms(x, width, op.eps));
      for_columns(width, [&](int64_t i, int lanes) {
        const VF y = vload_n(x + i, lanes) * r * (vload_n(weight + i, lanes) + offset);
        vstore_n(residual + i, vload_n(residual + i, lanes) + y, lanes);
      });
    }
  });
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
