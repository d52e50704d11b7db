// What is inside one KV block on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/kv.h"

namespace mainspring::cpu {

// A block holds kv_heads records of head_bytes. In a record (offsets in bytes, multiples of 64):
//   keys:   tokens in lanes, so that scores need no horizontal sums.  kF32, kF16 [d][32], kBf16 [d / 2][32][2],
//           kInt8 [d][32], kInt4 [d / 2][32] with dimension 2 i in the low nibble and 2 i + 1 in the high one
//   values: one row per token.  kF32, kBf16, kF16, kInt8: [32][v_width]; kInt4: [32][v_width / 2], dimension i in the low
//           nibble of byte i and i + v_width / 2 in the high one
//   kInt8, kInt4: after keys and after values, 32 scales and 32 minima in f32, one per token
// d is rounded up to pairs, value rows to whole vectors; the padding is never read as numbers that matter.
struct KvHeadLayout {
  size_t k_params = 0;   // scales of the keys
  size_t v_codes = 0;
  size_t v_params = 0;
  size_t v_row_bytes = 0;
  size_t head_bytes = 0;
  int32_t v_width = 0;   // head_dim rounded up to 16 (kInt4: 32)
};

KvHeadLayout kv_head_layout(const StateSpec& spec, KvFormat format);
size_t kv_block_bytes(const StateSpec& spec, KvFormat format);

}  // namespace mainspring::cpu
