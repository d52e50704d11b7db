// Rotary position embedding: a table per step, then rotations per layer.
#pragma once

#include "ops/op_id.h"
#include "tensor/tensor.h"

namespace mainspring::ops {

// table[t, i] = (cos, sin)(positions[t] * inv_freq(i)) * attention_factor, i < r/2.
// Angles are fp32 products, as the reference has them; their sine and cosine are exact to fp32 rounding.
// dynamic_factor != 0 selects dynamic NTK: with L = max(rope_lengths[t], max_position),
// base' = theta * (factor * L / max_position - (factor - 1)) ^ (r / (r - 2)) and inv_freq(i) = base'^(-2i/r).
struct RopeTable {
  Tensor table;              // f32 [T, r/2, 2]
  ConstTensor positions;     // i32 [T]
  ConstTensor rope_lengths;  // i32 [T]
  ConstTensor inv_freq;      // f32 [r/2]
  float attention_factor = 1.0f;
  float dynamic_factor = 0.0f;
  float theta = 0.0f;        // dynamic only
  int32_t max_position = 0;  // dynamic only
};

enum class RopeStyle : int32_t {
  kHalf,         // pairs (i, i + r/2)
  kInterleaved,  // pairs (2i, 2i + 1)
};

// Rotates the first r dimensions of every head in place.
struct Rope {
  Tensor x;            // f32 [T, heads, d], dimension 0 may be strided
  ConstTensor table;   // f32 [T, r/2, 2], r <= d
  RopeStyle style = RopeStyle::kHalf;
};
inline constexpr float kRopeTolerance = 1e-6f;

}  // namespace mainspring::ops
