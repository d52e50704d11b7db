// Attention over the paged KV cache, and the write of new keys and values into it.
#pragma once

#include "ops/batch.h"
#include "ops/kv.h"
#include "ops/op_id.h"

namespace mainspring::ops {

// Stores the step's keys and values; token t of sequence s goes to block_table[s, pos / kBlockTokens],
// slot pos % kBlockTokens.
struct KvWrite {
  ConstTensor k;  // f32 [T, kv_heads, d], dimension 0 may be strided
  ConstTensor v;  // f32 [T, kv_heads, d]
  KvLayer kv;
  const Batch* batch = nullptr;
};

// out[t, h] = sum_j softmax_j(scale * q[t, h] . k[j, h / g]) v[j, h / g] over the tokens j of t's own sequence with
// pos - window < j <= pos (window 0: no lower bound). softcap > 0: scores become softcap * tanh(score / softcap).
// sinks: per-head logit that takes part in the softmax's denominator only (absent: none).
// A query's result depends on its own sequence's tokens 0..pos only: the order of sums is fixed by key position.
struct Attention {
  Tensor out;     // f32 [T, heads, d], dimension 0 may be strided
  ConstTensor q;  // f32 [T, heads, d]
  KvLayer kv;
  const Batch* batch = nullptr;
  float scale = 1.0f;
  float softcap = 0.0f;
  int32_t window = 0;
  ConstTensor sinks;  // f32 [heads] or absent
};
// Of the largest output, on the same rounded keys and values.
inline constexpr float kAttentionTolerance = 2e-5f;
// Quantised keys and values may meet queries and weights of 15 bits.
constexpr float attention_tolerance(KvFormat format) {
  return kAttentionTolerance * (is_quantised(format) ? 7.5f : 1.0f);
}

}  // namespace mainspring::ops
