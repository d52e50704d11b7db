// Q5_1: f16 scale, f16 minimum, 32 fifth bits, 32 codes of 4 bits.
#include "quant/block_codec.h"

namespace mainspring {

extern const Encoding encoding_q5_1 = block_encoding<ScaleMinBlock<5>>("Q5_1", 7);

}  // namespace mainspring
