// Q4_1: f16 scale, f16 minimum, 32 codes of 4 bits.
#include "quant/block_codec.h"

namespace mainspring {

extern const Encoding encoding_q4_1 = block_encoding<ScaleMinBlock<4>>("Q4_1", 3);

}  // namespace mainspring
