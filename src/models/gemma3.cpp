// Gemma 3 (text): sandwich norms of the (1 + w) form, scaled embedding, normed q and k, sliding layers with a RoPE of
// their own between full ones.
#include <cmath>

#include "models/family.h"
#include "nn/attention.h"
#include "nn/head.h"
#include "nn/mlp.h"

namespace mainspring {
namespace {

constexpr float kNormOffset = 1.0f;  // weights are stored as w - 1

// layer_types where given, else every sliding_window_pattern-th layer (6) is full.
bool is_sliding(const Config& c, int64_t layer) {
  if (!c.layer_is_sliding.empty()) return c.layer_is_sliding[layer];
  return (layer + 1) % c.get_int("sliding_window_pattern", 6, 1, 1 << 20) != 0;
}

nn::AttentionConfig attention(const Config& c, int64_t layer) {
  const double query_scale = c.get_double("query_pre_attn_scalar", 256.0, 1e-6, 1e9);
  return {.hidden = c.hidden_size, .heads = c.num_heads, .kv_heads = c.num_kv_heads, .head_dim = c.head_dim,
          .qkv_bias = c.attention_bias, .o_bias = c.attention_bias, .qk_norm_eps = c.rms_norm_eps,
          .qk_norm_offset = kNormOffset, .scale = 1.0 / std::sqrt(query_scale),
          .window = is_sliding(c, layer) ? c.sliding_window.value_or(4096) : 0};
}

struct Layer {
  nn::RmsNorm before_attn, after_attn, before_mlp, after_mlp;
  nn::Attention attn;
  nn::GatedMlp mlp;
  bool sliding;

  Layer(const Config& c, const Weights& w, int64_t i)
      : before_attn(w / "input_layernorm", c.hidden_size, c.rms_norm_eps, kNormOffset),
        after_attn(w / "post_attention_layernorm", c.hidden_size, c.rms_norm_eps, kNormOffset),
        before_mlp(w / "pre_feedforward_layernorm", c.hidden_size, c.rms_norm_eps, kNormOffset),
        after_mlp(w / "post_feedforward_layernorm", c.hidden_size, c.rms_norm_eps, kNormOffset),
        attn(w / "self_attn", attention(c, i)),
        mlp(w / "mlp", c.hidden_size, c.intermediate_size, c.hidden_act),
        sliding(is_sliding(c, i)) {}
};

class Gemma3 final : public CausalLM {
 public:
  Gemma3(const Config& c, const Weights& w)
      : embed_(w / "model" / "embed_tokens", c.vocab_size, c.hidden_size, nn::rounded_sqrt(c.hidden_size, w.compute())),
        global_(w, c.rope, c.head_dim, c.max_position),
        local_(w, c.rope_local.value_or(RopeConfig{}), c.head_dim, c.max_position),
        head_(w / "model" / "norm", w / "lm_head", c, embed_, kNormOffset) {
    for (int64_t i = 0; i < c.num_layers; ++i) layers_.emplace_back(c, w / "model" / "layers" / i, i);
  }

  Tensor forward(Ctx& ctx) const override {
    const Tensor h = embed_.forward(ctx);  // [T, hidden], the residual stream
    const ConstTensor global = global_.table(ctx), local = local_.table(ctx);
    for (size_t i = 0; i < layers_.size(); ++i) {
      Workspace::Scope scope(ctx.ws);
      const Layer& l = layers_[i];
      const Tensor a = l.attn.forward(ctx, l.before_attn.forward(ctx, h), l.sliding ? local_ : global_,
                                      l.sliding ? local : global, ctx.kv[i]);
      l.after_attn.add_to(ctx, a, h);
      l.after_mlp.add_to(ctx, l.mlp.forward(ctx, l.before_mlp.forward(ctx, h)), h);
    }
    return head_.forward(ctx, h);
  }

  std::vector<StateSpec> state() const override {
    std::vector<StateSpec> specs;
    for (const Layer& l : layers_) specs.push_back(l.attn.state());
    return specs;
  }

 private:
  nn::Embedding embed_;
  nn::Rope global_, local_;
  nn::LmHead head_;
  std::vector<Layer> layers_;
};

std::unique_ptr<CausalLM> build(const Config& c, const Weights& w) { return std::make_unique<Gemma3>(c, w); }

}  // namespace
}  // namespace mainspring

MAINSPRING_FAMILY(gemma3, build, "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration")
