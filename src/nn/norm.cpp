// RMSNorm.
#include "nn/norm.h"

#include "ops/rms_norm.h"

namespace mainspring::nn {

RmsNorm::RmsNorm(const Weights& w, int64_t n, double eps, float offset)
    : weight_(w.vector("weight", n)), n_(n), eps_(static_cast<float>(eps)), offset_(offset) {}

Tensor RmsNorm::forward(Ctx& ctx, ConstTensor x) const {
  const Tensor out = ctx.ws.alloc(DType::kF32, x.rows(), n_);  // [T, n]
  ctx.dev.run(ops::RmsNorm{.out = out, .x = x, .weight = weight(), .eps = eps_, .weight_offset = offset_});
  return out;
}

void RmsNorm::in_place(Ctx& ctx, Tensor heads) const {
  ctx.dev.run(ops::RmsNorm{.out = heads, .x = heads, .weight = weight(), .eps = eps_, .weight_offset = offset_});
}

void RmsNorm::add_to(Ctx& ctx, ConstTensor x, Tensor residual) const {
  ctx.dev.run(ops::RmsNormAdd{.residual = residual, .x = x, .weight = weight(), .eps = eps_, .weight_offset = offset_});
}

}  // namespace mainspring::nn
