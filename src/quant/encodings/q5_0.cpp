// Q5_0: f16 scale, 32 fifth bits, 32 codes of 4 bits; bias 16.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q5_0 {
  static constexpr int kBlock = 32, kBytes = 22;
  static constexpr WeightFormat kFormat = group_format(5, true, 32, false);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    scales[0] = load_f16(p);
    split_nibbles<16>(p + 6, codes);
    add_fifth_bits(p + 2, codes);
    make_signed<32>(codes, 16);
  }
};
}  // namespace

extern const Encoding encoding_q5_0 = block_encoding<Q5_0>("Q5_0", 6);

}  // namespace mainspring
