// Q5_K: as Q4_K, with 32 bytes of fifth bits.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q5_K {
  static constexpr int kBlock = 256, kBytes = 176;
  static constexpr WeightFormat kFormat = group_format(5, false, 32, true);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    decode_k_scales(p + 4, load_f16(p), load_f16(p + 2), scales, offsets);
    for (int c = 0; c < 4; ++c) split_nibbles<32>(p + 48 + 32 * c, codes + 64 * c);
    for (int k = 0; k < 8; ++k)  // bit k of byte i belongs to code 32 k + i
      for (int i = 0; i < 32; ++i) codes[32 * k + i] |= static_cast<uint8_t>(((p[16 + i] >> k) & 1) << 4);
  }
};
}  // namespace

extern const Encoding encoding_q5_k = block_encoding<Q5_K>("Q5_K", 13);

}  // namespace mainspring
