// Qwen1.5, Qwen2, Qwen2.5: the Llama layout with biases on q, k and v, and an optional window on the upper layers.
#include "models/family.h"
#include "nn/decoder.h"

namespace mainspring {

static std::unique_ptr<CausalLM> build_qwen2(const Config& c, const Weights& w) {
  return std::make_unique<nn::PreNormDecoder>(c, w, [&](int64_t layer) {
    nn::AttentionConfig a = nn::attention_config(c);
    a.qkv_bias = true;  // there is no key for it: the class always has these biases and never one on o
    a.o_bias = false;
    a.window = nn::upper_layer_window(c, layer);
    return a;
  });
}

}  // namespace mainspring

MAINSPRING_FAMILY(qwen2, build_qwen2, "Qwen2ForCausalLM")
