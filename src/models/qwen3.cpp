// Qwen3 (dense): the Llama layout with an RMSNorm on every q and k head before RoPE; head_dim is its own key.
#include "models/family.h"
#include "nn/decoder.h"

namespace mainspring {

static std::unique_ptr<CausalLM> build_qwen3(const Config& c, const Weights& w) {
  return std::make_unique<nn::PreNormDecoder>(c, w, [&](int64_t layer) {
    nn::AttentionConfig a = nn::attention_config(c);
    a.qk_norm_eps = c.rms_norm_eps;
    a.window = nn::upper_layer_window(c, layer);
    return a;
  });
}

}  // namespace mainspring

MAINSPRING_FAMILY(qwen3, build_qwen3, "Qwen3ForCausalLM")
