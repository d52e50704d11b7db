// Q4_1: f16 scale, f16 minimum, 32 codes of 4 bits.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q4_1 {
  static constexpr int kBlock = 32, kBytes = 20;
  static constexpr WeightFormat kFormat = group_format(4, false, 32, true);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    scales[0] = load_f16(p);
    offsets[0] = load_f16(p + 2);
    split_nibbles<16>(p + 4, codes);
  }
};
}  // namespace

extern const Encoding encoding_q4_1 = block_encoding<Q4_1>("Q4_1", 3);

}  // namespace mainspring
