// Q4_0: f16 scale, 32 codes of 4 bits with bias 8.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q4_0 {
  static constexpr int kBlock = 32, kBytes = 18;
  static constexpr WeightFormat kFormat = group_format(4, true, 32, false);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    scales[0] = load_f16(p);
    split_nibbles<16>(p + 2, codes);
    make_signed<32>(codes, 8);
  }
};
}  // namespace

extern const Encoding encoding_q4_0 = block_encoding<Q4_0>("Q4_0", 2);

}  // namespace mainspring
