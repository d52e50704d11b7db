// Token embedding.
#include "nn/embedding.h"

#include <cmath>

#include "base/half.h"
#include "ops/embed.h"

namespace mainspring::nn {

Embedding::Embedding(const Weights& w, int64_t vocab, int64_t hidden, float scale)
    : table_(w.table("weight", vocab, hidden)), scale_(scale) {}

Tensor Embedding::forward(Ctx& ctx) const {
  const Tensor h = ctx.ws.alloc(DType::kF32, ctx.batch.n_tokens(), table_->in_features);  // [T, hidden]
  ctx.dev.run(ops::Embed{.out = h, .ids = ctx.batch.tokens, .table = table_.get(), .scale = scale_});
  return h;
}

float rounded_sqrt(int64_t hidden, ComputeType compute) {
  const float root = static_cast<float>(std::sqrt(static_cast<double>(hidden)));
  switch (compute) {
    case ComputeType::kF32: return root;
    case ComputeType::kBf16: return bf16_to_f32(f32_to_bf16(root));
    case ComputeType::kF16: return f16_to_f32(f32_to_f16(root));
  }
  return root;
}

}  // namespace mainspring::nn
