// Q2_K: 16 x (4-bit scale, 4-bit minimum), 256 codes of 2 bits, f16 scale of scales, f16 scale of minima.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q2_K {
  static constexpr int kBlock = 256, kBytes = 84;
  static constexpr WeightFormat kFormat = group_format(2, false, 16, true);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    const float d = load_f16(p + 80), dmin = load_f16(p + 82);
    for (int g = 0; g < 16; ++g) {
      scales[g] = d * static_cast<float>(p[g] & 15);
      offsets[g] = -(dmin * static_cast<float>(p[g] >> 4));
    }
    split_pairs(p + 16, codes);
  }
};
}  // namespace

extern const Encoding encoding_q2_k = block_encoding<Q2_K>("Q2_K", 10);

}  // namespace mainspring
