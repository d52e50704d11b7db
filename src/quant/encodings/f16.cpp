// F16: IEEE half precision.
#include <cstring>

#include "quant/block_codec.h"

namespace mainspring {

namespace {
void f16_values(const std::byte* src, int64_t n, float* out) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(src);
  for (int64_t i = 0; i < n; ++i) out[i] = load_f16(p + 2 * i);
}
}  // namespace

extern const Encoding encoding_f16 = {.name = "F16",
                                      .gguf_type = 1,
                                      .safetensors = "F16",
                                      .block = 1,
                                      .block_bytes = static_cast<int32_t>(dtype_size(DType::kF16)),
                                      .format = {.dense = DType::kF16},
                                      .values = &f16_values};

}  // namespace mainspring
