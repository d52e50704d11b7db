// What is inside one KV block on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/kv.h"

namespace mainspring::cpu {

// A block holds kv_heads records of head_bytes. In a record (offsets in bytes, multiples of 64):
//   keys:   tokens in lanes, so that scores need no horizontal sums.  kF32, kF16 [d][32], kBf16 [d / 2][32][2],
//           8 bits [d / 4][32][4], 4 bits [d / 8][32][4] with dimensions 8 i + 0..3 in the low nibbles and 8 i + 4..7
//           in the high ones
//   values: kF32, kBf16, kF16: one row per token, [32][v_width].  8 bits: four tokens in a lane, [8][v_width][4];
//           4 bits: [8][v_width / 2][4], dimension i in the low nibbles of lane i and i + v_width / 2 in the high ones
//   codes:  element j of four is byte 0, 2, 1, 3; after keys and after values, 32 scales and 32 minima in f32, one per
//           token; then the block's first key in f16, zeros up to a multiple of 32
// d is rounded up to what a lane holds, value rows to whole vectors; the padding is never read as numbers that matter.
struct KvHeadLayout {
  size_t k_params = 0;   // scales of the keys
  size_t k_base = 0;     // the first key
  size_t v_codes = 0;
  size_t v_params = 0;
  size_t v_row_bytes = 0;  // of one token, on average
  size_t head_bytes = 0;
  int32_t v_width = 0;   // head_dim rounded up to 16 (values of 4 bits: 32)
};

KvHeadLayout kv_head_layout(const StateSpec& spec, KvFormat format);
size_t kv_block_bytes(const StateSpec& spec, KvFormat format);

}  // namespace mainspring::cpu
