// Llama: Llama 1, 2, 3, 3.1, 3.2, Code Llama, Yi, Vicuna, SmolLM.
#include "models/family.h"
#include "nn/decoder.h"

namespace mainspring {

static std::unique_ptr<CausalLM> build_llama(const Config& c, const Weights& w) {
  return std::make_unique<nn::PreNormDecoder>(c, w, [&](int64_t) { return nn::attention_config(c); });
}

}  // namespace mainspring

MAINSPRING_FAMILY(llama, build_llama, "LlamaForCausalLM", "LLaMAForCausalLM", "YiForCausalLM")
