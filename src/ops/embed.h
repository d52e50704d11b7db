// Embed: rows of the embedding matrix, scaled.
#pragma once

#include "ops/op_id.h"
#include "ops/weight.h"

namespace mainspring::ops {

// out[t, :] = scale * table[ids[t], :]. ids are inside the table (the runner checks them).
struct Embed {
  Tensor out;                 // f32 [T, hidden]
  ConstTensor ids;            // i32 [T]
  const LinearWeight* table;  // [vocab, hidden]
  float scale = 1.0f;
};
inline constexpr float kEmbedTolerance = 1e-6f;

}  // namespace mainspring::ops
