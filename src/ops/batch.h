// One step's tokens, flattened over sequences, as the operations read it (device memory).
#pragma once

#include "tensor/tensor.h"

namespace mainspring {

// T tokens of S sequences; sequence s owns rows [query_start[s], query_start[s+1]), its new tokens in order. They sit at
// positions kv_length[s] - n .. kv_length[s] - 1, where n is the number of its rows.
struct Batch {
  ConstTensor tokens;        // i32 [T]
  ConstTensor positions;     // i32 [T]
  // i32 [T]: sequence length that length-dependent RoPE (dynamic NTK) has to assume for this token: the prompt's
  // length for prompt tokens, position + 1 for generated ones. Chunking and batching do not change it.
  ConstTensor rope_lengths;
  ConstTensor query_start;   // i32 [S + 1]
  ConstTensor kv_length;     // i32 [S]; tokens in the cache after this step
  ConstTensor block_table;   // i32 [S, max_blocks]; ids of the blocks that hold tokens 0, kBlockTokens, ...
  ConstTensor logit_rows;    // i32 [R]; rows whose logits are wanted

  int64_t n_tokens() const noexcept { return tokens.rows(); }
  int64_t n_sequences() const noexcept { return kv_length.rows(); }
};

}  // namespace mainspring
