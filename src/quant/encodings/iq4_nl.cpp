// IQ4_NL: f16 scale, 32 indices of 4 bits into a table of int8 values.
#include "quant/block_codec.h"
#include "quant/iq4_codebook.h"

namespace mainspring {

namespace {
struct IQ4_NL {
  static constexpr int kBlock = 32, kBytes = 18;
  static constexpr WeightFormat kFormat = group_format(8, true, 32, false);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    scales[0] = load_f16(p);
    decode_iq4(p + 2, codes);
  }
};
}  // namespace

extern const Encoding encoding_iq4_nl = block_encoding<IQ4_NL>("IQ4_NL", 20);

}  // namespace mainspring
