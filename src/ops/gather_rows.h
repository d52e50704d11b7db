// GatherRows: picks rows, e.g. the positions whose logits are wanted.
#pragma once

#include "ops/op_id.h"
#include "tensor/tensor.h"

namespace mainspring::ops {

// out[r, :] = x[rows[r], :]; rows are inside x.
struct GatherRows {
  Tensor out;        // f32 [R, H]
  ConstTensor x;     // f32 [T, H]
  ConstTensor rows;  // i32 [R]
};

}  // namespace mainspring::ops
