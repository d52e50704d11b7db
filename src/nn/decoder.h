// The pre-norm decoder that Llama, Mistral and Qwen share: h += attn(norm(h)); h += mlp(norm(h)); then head.
#pragma once

#include "base/function_ref.h"
#include "nn/attention.h"
#include "nn/causal_lm.h"
#include "nn/head.h"
#include "nn/mlp.h"

namespace mainspring::nn {

// The attention settings every family starts from: sizes from the configuration, biases by attention_bias.
AttentionConfig attention_config(const Config& config);
// Qwen's rule: with use_sliding_window, layers from max_window_layers on (or those layer_types names) see only the window.
int64_t upper_layer_window(const Config& config, int64_t layer);

class PreNormDecoder final : public CausalLM {
 public:
  // Tensors under w / "model" (embed_tokens, layers.N.*, norm) and w / "lm_head". `layer_attention(i)` gives layer i's
  // attention settings.
  PreNormDecoder(const Config& config, const Weights& w, FunctionRef<AttentionConfig(int64_t layer)> layer_attention);

  Tensor forward(Ctx& ctx) const override;
  std::vector<StateSpec> state() const override;
  int64_t length_dependent_from() const override { return dynamic_from_; }

 private:
  struct Layer {
    RmsNorm attn_norm, mlp_norm;
    Attention attn;
    GatedMlp mlp;
    Layer(const Config& c, const Weights& w, const AttentionConfig& attention);
  };

  Embedding embed_;
  Rope rope_;
  std::vector<Layer> layers_;
  LmHead head_;
  int64_t dynamic_from_;
};

}  // namespace mainspring::nn
