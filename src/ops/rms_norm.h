// RmsNorm and its fusions with the residual stream.
#pragma once

#include "ops/op_id.h"
#include "tensor/tensor.h"

namespace mainspring::ops {

// Over the last dimension: out = x * rsqrt(mean(x^2) + eps) * (weight + weight_offset). x may be [T, H], or [T, heads, d]
// with a strided dimension 0 (per-head norm of q and k); out may be x itself. Statistics in fp32.
struct RmsNorm {
  Tensor out;          // f32 [T, H] or [T, heads, d]
  ConstTensor x;       // the same shape
  ConstTensor weight;  // f32 [H] or [d]
  float eps = 1e-6f;
  float weight_offset = 0.0f;  // 1 for Gemma's (1 + w)
};

// residual += norm(x): the second norm of a sandwich.
struct RmsNormAdd {
  Tensor residual;  // f32 [T, H], updated
  ConstTensor x;    // f32 [T, H]
  ConstTensor weight;
  float eps = 1e-6f;
  float weight_offset = 0.0f;
};
inline constexpr float kRmsNormTolerance = 2e-6f;

}  // namespace mainspring::ops
