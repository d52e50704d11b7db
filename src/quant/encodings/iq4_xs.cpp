// IQ4_XS: f16 scale of scales, 8 scales of 6 bits with bias 32, 256 indices into the table of IQ4_NL.
#include "quant/block_codec.h"
#include "quant/iq4_codebook.h"

namespace mainspring {

namespace {
struct IQ4_XS {
  static constexpr int kBlock = 256, kBytes = 136;
  static constexpr WeightFormat kFormat = group_format(8, true, 32, false);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    const float d = load_f16(p);
    const uint32_t high = load_le<uint16_t>(p + 2);
    for (int g = 0; g < 8; ++g) {
      const int low = (p[4 + g / 2] >> (4 * (g % 2))) & 15;
      scales[g] = d * static_cast<float>((low | static_cast<int>((high >> (2 * g)) & 3) << 4) - 32);
      decode_iq4(p + 8 + 16 * g, codes + 32 * g);
    }
  }
};
}  // namespace

extern const Encoding encoding_iq4_xs = block_encoding<IQ4_XS>("IQ4_XS", 23);

}  // namespace mainspring
