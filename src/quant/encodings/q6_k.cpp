// Q6_K: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 int8 scales, f16 scale of scales; bias 32.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q6_K {
  static constexpr int kBlock = 256, kBytes = 210;
  static constexpr WeightFormat kFormat = group_format(6, true, 16, false);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    const float d = load_f16(p + 208);
    for (int g = 0; g < 16; ++g) scales[g] = d * static_cast<float>(static_cast<int8_t>(p[192 + g]));
    uint8_t high[256];
    split_pairs(p + 128, high);
    for (int h = 0; h < 2; ++h) split_nibbles<64>(p + 64 * h, codes + 128 * h);
    for (int i = 0; i < 256; ++i) codes[i] = static_cast<uint8_t>((codes[i] | high[i] << 4) - 32);
  }
};
}  // namespace

extern const Encoding encoding_q6_k = block_encoding<Q6_K>("Q6_K", 14);

}  // namespace mainspring
