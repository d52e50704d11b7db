// Q8_0: f16 scale, 32 codes of 8 bits.
#include "quant/block_codec.h"

namespace mainspring {

namespace {
struct Q8_0 {
  static constexpr int kBlock = 32, kBytes = 34;
  static constexpr WeightFormat kFormat = group_format(8, true, 32, false);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    scales[0] = load_f16(p);
    std::memcpy(codes, p + 2, 32);
  }
};
}  // namespace

extern const Encoding encoding_q8_0 = block_encoding<Q8_0>("Q8_0", 8);

}  // namespace mainspring
