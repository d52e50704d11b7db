// Self-attention with grouped KV heads, rotary positions and a paged KV cache.
#pragma once

#include <optional>

#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rope.h"

namespace mainspring::nn {

struct AttentionConfig {
  int64_t hidden = 0, heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, o_bias = false;
  std::optional<double> qk_norm_eps;   // per-head RMSNorm of q and k before RoPE (q_norm, k_norm)
  float qk_norm_offset = 0.0f;
  double scale = 0.0;                  // 0: head_dim^-0.5
  int64_t window = 0;                  // keys a query sees, itself included; 0: all
};

class Attention {
 public:
  // w: ".../self_attn" with q_proj, k_proj, v_proj, o_proj.
  Attention(const Weights& w, const AttentionConfig& config);

  Tensor forward(Ctx& ctx, ConstTensor x, const Rope& rope, ConstTensor rope_table, const KvLayer& kv) const;  // [T, hidden]
  // residual += attention(x)
  void add_to(Ctx& ctx, ConstTensor x, const Rope& rope, ConstTensor rope_table, const KvLayer& kv, Tensor residual) const;
  StateSpec state() const noexcept { return {static_cast<int32_t>(c_.kv_heads), static_cast<int32_t>(c_.head_dim)}; }

 private:
  Tensor mix(Ctx& ctx, ConstTensor x, const Rope& rope, ConstTensor rope_table, const KvLayer& kv) const;

  AttentionConfig c_;
  Linear qkv_, o_;
  std::optional<RmsNorm> q_norm_, k_norm_;
};

}  // namespace mainspring::nn
