// Mistral: the Llama layout with a sliding window on every layer (v0.1) or none (sliding_window null).
#include "models/family.h"
#include "nn/decoder.h"

namespace mainspring {

static std::unique_ptr<CausalLM> build_mistral(const Config& c, const Weights& w) {
  // A config.json that does not mention the key means the class default of 4096; an explicit null means no window.
  constexpr int64_t kDefaultWindow = 4096;
  const int64_t window = c.raw.contains("sliding_window") ? c.sliding_window.value_or(0) : kDefaultWindow;
  return std::make_unique<nn::PreNormDecoder>(c, w, [&](int64_t) {
    nn::AttentionConfig a = nn::attention_config(c);
    a.qkv_bias = a.o_bias = false;
    a.window = window;
    return a;
  });
}

}  // namespace mainspring

MAINSPRING_FAMILY(mistral, build_mistral, "MistralForCausalLM")
