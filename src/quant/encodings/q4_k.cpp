// Q4_K: f16 scales of scales and of minima, 8 scales and 8 minima of 6 bits, 256 codes of 4 bits.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q4_K {
  static constexpr int kBlock = 256, kBytes = 144;
  static constexpr WeightFormat kFormat = group_format(4, false, 32, true);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    decode_k_scales(p + 4, load_f16(p), load_f16(p + 2), scales, offsets);
    for (int c = 0; c < 4; ++c) split_nibbles<32>(p + 16 + 32 * c, codes + 64 * c);
  }
};
}  // namespace

extern const Encoding encoding_q4_k = block_encoding<Q4_K>("Q4_K", 12);

}  // namespace mainspring
