// BF16: the upper half of a single-precision number.
#include <cstring>

#include "quant/block_codec.h"

namespace mainspring {

namespace {
void bf16_values(const std::byte* src, int64_t n, float* out) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(src);
  for (int64_t i = 0; i < n; ++i) out[i] = bf16_to_f32(load_le<uint16_t>(p + 2 * i));
}
}  // namespace

extern const Encoding encoding_bf16 = {.name = "BF16",
                                      .gguf_type = 30,
                                      .safetensors = "BF16",
                                      .block = 1,
                                      .block_bytes = static_cast<int32_t>(dtype_size(DType::kBf16)),
                                      .format = {.dense = DType::kBf16},
                                      .values = &bf16_values};

}  // namespace mainspring
