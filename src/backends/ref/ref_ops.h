// The operations of the reference device, and what it keeps for weights and KV.
#pragma once

#include <vector>

#include "ops/all.h"

namespace mainspring::ref {

struct Weight final : LinearWeight {
  std::vector<float> values;  // [out, in]
  const char* kernel_name() const noexcept override { return "ref"; }
};

// A block: [kv_heads][keys, values][kBlockTokens][d] in fp32, after the format's rounding; then [kv_heads][d], what the
// codes of keys are differences from.
struct KvBlock {
  static size_t floats(const StateSpec& s) { return size_t{2 * kBlockTokens + 1} * s.kv_heads * s.head_dim; }
  // The row of token `position` of sequence s.
  static float* row(const KvLayer& kv, const Batch& batch, int64_t s, int64_t position, int64_t head, bool value);
  static float* base(const KvLayer& kv, const Batch& batch, int64_t s, int64_t position, int64_t head);
};

// A value as the format would give it back, and a key whose codes are differences from `base`.
void round_value(KvFormat format, const float* x, float* out, int64_t d);
void round_key(KvFormat format, const float* x, const float* base, float* out, int64_t d);

#define MAINSPRING_OP(Type, name) void run(const ops::Type& op);
#include "ops/ops.def"
#undef MAINSPRING_OP

}  // namespace mainspring::ref
