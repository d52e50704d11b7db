// The KV cache as operations see it: blocks of tokens in one layer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mainspring {

enum class KvFormat : uint8_t { kF32, kBf16, kF16, kInt8, kK8V4, kInt4 };
const char* kv_format_name(KvFormat f) noexcept;

constexpr bool is_quantised(KvFormat f) { return f >= KvFormat::kInt8; }

// Tokens per block; the unit of allocation and of prefix sharing.
inline constexpr int kBlockTokens = 32;

// What one layer keeps per token.
// kF16: numbers beyond the type's range become its largest ones, +-65504; NaN stays NaN.
// kInt8, kInt4: codes of 8 or 4 bits, per token and head, asymmetric (LMDeploy's meaning): scale = (max - min) /
// (2^bits - 1), code = round((x - min) / scale), x ~ code * scale + min; K and V apart.
// kK8V4: keys of 8 bits, values of 4.
// Of keys the codes hold the difference from the head's key in the block's first token, rounded to f16 (saturated; 0 for
// what is not finite): a large bias of keys (Qwen2) would otherwise take up the range of every token.
struct StateSpec {
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  bool operator==(const StateSpec&) const = default;
};

// One layer's part of the pool: block b lies at base + b * block_stride. What is inside a block is the device's affair.
struct KvLayer {
  std::byte* base = nullptr;
  size_t block_stride = 0;
  StateSpec spec;
  KvFormat format = KvFormat::kBf16;
};

}  // namespace mainspring
