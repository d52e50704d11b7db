// Self-attention: project, normalise, rotate, cache, attend, project back.
#include "nn/attention.h"

#include <cmath>

#include "ops/attention.h"

namespace mainspring::nn {

Attention::Attention(const Weights& w, const AttentionConfig& config)
    : c_(config),
      qkv_(w,
           {{"q_proj", c_.heads * c_.head_dim}, {"k_proj", c_.kv_heads * c_.head_dim}, {"v_proj", c_.kv_heads * c_.head_dim}},
           c_.hidden, c_.qkv_bias),
      o_(w, {{"o_proj", c_.hidden}}, c_.heads * c_.head_dim, c_.o_bias) {
  if (c_.qk_norm_eps) {
    q_norm_.emplace(w / "q_norm", c_.head_dim, *c_.qk_norm_eps, c_.qk_norm_offset);
    k_norm_.emplace(w / "k_norm", c_.head_dim, *c_.qk_norm_eps, c_.qk_norm_offset);
  }
  if (c_.scale == 0.0) c_.scale = 1.0 / std::sqrt(static_cast<double>(c_.head_dim));
}

Tensor Attention::mix(Ctx& ctx, ConstTensor x, const Rope& rope, ConstTensor rope_table, const KvLayer& kv) const {
  const Tensor qkv = qkv_.forward(ctx, x);  // [T, (heads + 2 kv_heads) * d]
  const int64_t d = c_.head_dim, q_width = c_.heads * d, kv_width = c_.kv_heads * d;
  const Tensor q = qkv.slice_cols(0, q_width).split_heads(c_.heads, d);                       // [T, heads, d]
  const Tensor k = qkv.slice_cols(q_width, kv_width).split_heads(c_.kv_heads, d);             // [T, kv_heads, d]
  const Tensor v = qkv.slice_cols(q_width + kv_width, kv_width).split_heads(c_.kv_heads, d);  // [T, kv_heads, d]
  if (q_norm_) {
    q_norm_->in_place(ctx, q);
    k_norm_->in_place(ctx, k);
  }
  rope.rotate(ctx, q, rope_table);
  rope.rotate(ctx, k, rope_table);
  ctx.dev.run(ops::KvWrite{.k = k, .v = v, .kv = kv, .batch = &ctx.batch});
  const Tensor out = ctx.ws.alloc(DType::kF32, x.rows(), c_.heads, d);  // [T, heads, d]
  ctx.dev.run(ops::Attention{.out = out, .q = q, .kv = kv, .batch = &ctx.batch, .scale = static_cast<float>(c_.scale),
                             .window = static_cast<int32_t>(c_.window)});
  return out.merge_heads();
}

Tensor Attention::forward(Ctx& ctx, ConstTensor x, const Rope& rope, ConstTensor rope_table, const KvLayer& kv) const {
  const Tensor out = ctx.ws.alloc(DType::kF32, x.rows(), c_.hidden);  // [T, hidden]
  Workspace::Scope scope(ctx.ws);
  const Tensor mixed = mix(ctx, x, rope, rope_table, kv);
  o_.run_into(ctx, mixed, out);
  return out;
}

void Attention::add_to(Ctx& ctx, ConstTensor x, const Rope& rope, ConstTensor rope_table, const KvLayer& kv,
                       Tensor residual) const {
  Workspace::Scope scope(ctx.ws);
  o_.add_to(ctx, mix(ctx, x, rope, rope_table, kv), residual);
}

}  // namespace mainspring::nn
