// Offsets inside a KV block.
#include "backends/cpu/kv_layout.h"

namespace mainspring::cpu {

namespace {
constexpr size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
}  // namespace

KvHeadLayout kv_head_layout(const StateSpec& spec, KvFormat format) {
  const size_t d = static_cast<size_t>(spec.head_dim);
  const bool nibbles = format == KvFormat::kInt4 || format == KvFormat::kK8V4;  // of values
  KvHeadLayout l;
  l.v_width = static_cast<int32_t>(round_up(d, nibbles ? 32 : 16));
  size_t key_bytes = 0;  // of 32 tokens
  switch (format) {
    case KvFormat::kF32: key_bytes = d * kBlockTokens * 4, l.v_row_bytes = l.v_width * 4; break;
    case KvFormat::kBf16: key_bytes = round_up(d, 2) * kBlockTokens * 2, l.v_row_bytes = l.v_width * 2; break;
    case KvFormat::kF16: key_bytes = d * kBlockTokens * 2, l.v_row_bytes = l.v_width * 2; break;
    case KvFormat::kInt8: key_bytes = round_up(d, 4) * kBlockTokens, l.v_row_bytes = l.v_width; break;
    case KvFormat::kK8V4: key_bytes = round_up(d, 4) * kBlockTokens, l.v_row_bytes = l.v_width / 2; break;
    case KvFormat::kInt4: key_bytes = round_up(d, 8) / 2 * kBlockTokens, l.v_row_bytes = l.v_width / 2; break;
  }
  const size_t params = is_quantised(format) ? 2 * kBlockTokens * sizeof(float) : 0;
  l.k_params = round_up(key_bytes, 64);
  l.k_base = l.k_params + params;
  l.v_codes = l.k_base + (is_quantised(format) ? round_up(2 * d, 64) : 0);
  l.v_params = round_up(l.v_codes + l.v_row_bytes * kBlockTokens, 64);
  l.head_bytes = l.v_params + params;
  return l;
}

size_t kv_block_bytes(const StateSpec& spec, KvFormat format) {
  return kv_head_layout(spec, format).head_bytes * static_cast<size_t>(spec.kv_heads);
}

}  // namespace mainspring::cpu
