// Q3_K: 32 bytes of third bits, 256 codes of 2 bits, 16 scales of 6 bits with bias 32, f16 scale of scales.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q3_K {
  static constexpr int kBlock = 256, kBytes = 110;
  static constexpr WeightFormat kFormat = group_format(3, true, 16, false);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    const float d = load_f16(p + 108);
    const uint8_t* s = p + 96;  // low nibbles of 16 scales in 8 bytes, then their upper 2 bits in 4 bytes
    for (int g = 0; g < 16; ++g) {
      const int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4;
      const int high = (s[8 + g % 4] >> (2 * (g / 4))) & 3;
      scales[g] = d * static_cast<float>((low | high << 4) - 32);
    }
    split_pairs(p + 32, codes);
    for (int k = 0; k < 8; ++k)  // bit k of byte i belongs to code 32 k + i; a clear bit means minus 4
      for (int i = 0; i < 32; ++i) {
        const int third = ((p[i] >> k) & 1) << 2;
        codes[32 * k + i] = static_cast<uint8_t>(codes[32 * k + i] + third - 4);
      }
  }
};
}  // namespace

extern const Encoding encoding_q3_k = block_encoding<Q3_K>("Q3_K", 11);

}  // namespace mainspring
