// Offsets inside a KV block.
#include "backends/cpu/kv_layout.h"

namespace mainspring::cpu {

namespace {
constexpr size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
}  // namespace

KvHeadLayout kv_head_layout(const StateSpec& spec, KvFormat format) {
  const size_t d = static_cast<size_t>(spec.head_dim);
  KvHeadLayout l;
  l.v_width = static_cast<int32_t>(round_up(d, format == KvFormat::kInt4 ? 32 : 16));
  size_t k_bytes = 0, params = 0;
  switch (format) {
    case KvFormat::kF32:
      k_bytes = d * kBlockTokens * 4, l.v_row_bytes = l.v_width * 4;
      break;
    case KvFormat::kBf16:
      k_bytes = round_up(d, 2) * kBlockTokens * 2, l.v_row_bytes = l.v_width * 2;
      break;
    case KvFormat::kF16:
      k_bytes = d * kBlockTokens * 2, l.v_row_bytes = l.v_width * 2;
      break;
    case KvFormat::kInt8:
      k_bytes = round_up(d, 4) * kBlockTokens, l.v_row_bytes = l.v_width, params = 2 * kBlockTokens * sizeof(float);
      break;
    case KvFormat::kInt4:
      k_bytes = round_up(d, 8) / 2 * kBlockTokens, l.v_row_bytes = l.v_width / 2, params = 2 * kBlockTokens * sizeof(float);
      break;
  }
  l.k_params = round_up(k_bytes, 64);
  l.v_codes = l.k_params + params;
  l.v_params = round_up(l.v_codes + l.v_row_bytes * kBlockTokens, 64);
  l.head_bytes = l.v_params + params;
  return l;
}

size_t kv_block_bytes(const StateSpec& spec, KvFormat format) {
  return kv_head_layout(spec, format).head_bytes * static_cast<size_t>(spec.kv_heads);
}

}  // namespace mainspring::cpu
