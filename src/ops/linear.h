// Linear: one input multiplied by one or several matrices at once.
#pragma once

#include "ops/op_id.h"
#include "ops/weight.h"

namespace mainspring::ops {

// out[:, o_i : o_i + n_i] = x * part_i^T + bias, the parts side by side in order (q, k, v; gate, up). The sum of the
// parts' out_features is out's width. The device converts x once for all parts. Every output number depends only on its
// own row of x and row of the matrix: not on the other rows, the number of rows or of threads.
struct Linear {
  Tensor out;                        // f32 [T, sum(out_features)], rows may be strided
  ConstTensor x;                     // f32 [T, in_features], rows may be strided
  const LinearWeight* const* parts = nullptr;
  int32_t n_parts = 0;
  bool accumulate = false;           // add to what out holds (residual)
  ConstTensor bias;                  // f32 [sum(out_features)] or absent
};
// Relative to the largest |output|. kF32 runs; 16-bit runs use kLinear16Tolerance.
inline constexpr float kLinearTolerance = 2e-6f;
inline constexpr float kLinear16Tolerance = 4e-3f;

}  // namespace mainspring::ops
