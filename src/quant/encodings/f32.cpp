// F32: plain single precision.
#include <cstring>

#include "quant/block_codec.h"

namespace mainspring {

namespace {
void f32_values(const std::byte* src, int64_t n, float* out) {
  std::memcpy(out, src, static_cast<size_t>(n) * sizeof(float));
}
}  // namespace

extern const Encoding encoding_f32 = {.name = "F32",
                                      .gguf_type = 0,
                                      .safetensors = "F32",
                                      .block = 1,
                                      .block_bytes = static_cast<int32_t>(dtype_size(DType::kF32)),
                                      .format = {.dense = DType::kF32},
                                      .values = &f32_values};

}  // namespace mainspring
