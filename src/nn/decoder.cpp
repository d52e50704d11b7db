// The shared pre-norm decoder.
#include "nn/decoder.h"

namespace mainspring::nn {

AttentionConfig attention_config(const Config& c) {
  return {.hidden = c.hidden_size, .heads = c.num_heads, .kv_heads = c.num_kv_heads, .head_dim = c.head_dim,
          .qkv_bias = c.attention_bias, .o_bias = c.attention_bias};
}

int64_t upper_layer_window(const Config& c, int64_t layer) {
  if (!c.get_bool("use_sliding_window", false)) return 0;
  const bool sliding =
      c.layer_is_sliding.empty() ? layer >= c.get_int("max_window_layers", 28, 0, 1 << 20) : c.layer_is_sliding[layer];
  return sliding ? c.sliding_window.value_or(4096) : 0;
}

PreNormDecoder::Layer::Layer(const Config& c, const Weights& w, const AttentionConfig& attention)
    : attn_norm(w / "input_layernorm", c.hidden_size, c.rms_norm_eps),
      mlp_norm(w / "post_attention_layernorm", c.hidden_size, c.rms_norm_eps),
      attn(w / "self_attn", attention),
      mlp(w / "mlp", c.hidden_size, c.intermediate_size, c.hidden_act, c.mlp_bias) {}

PreNormDecoder::PreNormDecoder(const Config& c, const Weights& w, FunctionRef<AttentionConfig(int64_t)> layer_attention)
    : embed_(w / "model" / "embed_tokens", c.vocab_size, c.hidden_size),
      rope_(w, c.rope, c.head_dim, c.max_position),
      layers_([&] {
        std::vector<Layer> layers;
        for (int64_t i = 0; i < c.num_layers; ++i)
          layers.emplace_back(c, w / "model" / "layers" / i, layer_attention(i));
        return layers;
      }()),
      head_(w / "model" / "norm", w / "lm_head", c, embed_),
      dynamic_from_(rope_.length_dependent() ? c.max_position : 0) {}

Tensor PreNormDecoder::forward(Ctx& ctx) const {
  const Tensor h = embed_.forward(ctx);  // [T, hidden], the residual stream
  const ConstTensor table = rope_.table(ctx);
  for (size_t i = 0; i < layers_.size(); ++i) {
    Workspace::Scope scope(ctx.ws);
    const Layer& l = layers_[i];
    l.attn.add_to(ctx, l.attn_norm.forward(ctx, h), rope_, table, ctx.kv[i], h);
    l.mlp.add_to(ctx, l.mlp_norm.forward(ctx, h), h);
  }
  return head_.forward(ctx, h);
}

std::vector<StateSpec> PreNormDecoder::state() const {
  std::vector<StateSpec> specs;
  for (const Layer& l : layers_) specs.push_back(l.attn.state());
  return specs;
}

}  // namespace mainspring::nn
