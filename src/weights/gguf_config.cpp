// GGUF metadata as a Hugging Face config.json.
#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "weights/gguf_arch.h"

namespace mainspring {

namespace {

constexpr int64_t kMaxLayers = 1024;  // the bound of config.cpp, needed here before lists per layer are written

// Reads "<arch>.<key>" and writes Hugging Face keys.
class ConfigWriter {
 public:
  ConfigWriter(const GgufArch& arch, const GgufMetadata& metadata, const std::vector<const GgufTensor*>& tensors,
               const std::vector<float>& rope_factors, std::string_view where)
      : arch_(arch), metadata_(metadata), tensors_(tensors), rope_factors_(rope_factors), where_(where) {}

  Json write() {
    out_.set("model_type", arch_.model_type);
    out_.set("architectures", Json::array({arch_.architecture}));
    sizes();
    rope();
    sliding();
    biases();
    tokens();
    if (arch_.name == "gemma3") gemma3();
    if (const auto cap = metadata_.find_float(key("final_logit_softcapping"))) out_.set("final_logit_softcapping", *cap);
    return std::move(out_);
  }

 private:
  std::string key(std::string_view name) const { return cat(arch_.name, ".", name); }

  int64_t required(std::string_view name) const {
    const auto v = metadata_.find_int(key(name));
    if (!v) fail(Code::kInvalidInput, where_, ": key ", key(name), " is missing");
    return *v;
  }
  // A number that some writers repeat for every layer.
  std::optional<int64_t> uniform(std::string_view name) const {
    const auto list = metadata_.find_ints(key(name));
    if (!list) return std::nullopt;
    if (list->empty() || std::any_of(list->begin(), list->end(), [&](int32_t v) { return v != list->front(); }))
      fail(Code::kUnsupported, where_, ": ", key(name), " differs between layers, which is not supported");
    return list->front();
  }
  const GgufTensor* tensor(std::string_view name) const {
    for (const GgufTensor* t : tensors_)
      if (t->name == name) return t;
    return nullptr;
  }

  void sizes() {
    if (metadata_.find_int(key("expert_count")).value_or(0) > 0)
      fail(Code::kUnsupported, where_, ": mixture-of-experts models of GGUF architecture ", arch_.name, " are not supported");
    const GgufTensor* embedding = tensor("token_embd.weight");
    if (!embedding || embedding->shape.size() != 2)
      fail(Code::kInvalidInput, where_, ": the matrix token_embd.weight is missing");
    layers_ = required("block_count");
    hidden_ = required("embedding_length");
    const auto heads = uniform("attention.head_count");
    if (!heads) fail(Code::kInvalidInput, where_, ": key ", key("attention.head_count"), " is missing");
    heads_ = *heads;
    if (heads_ < 1 || layers_ < 1 || layers_ > kMaxLayers)
      fail(Code::kInvalidInput, where_, ": ", heads_, " heads and ", layers_, " layers, expected at least 1 head and 1..",
           kMaxLayers, " layers");
    head_dim_ = metadata_.find_int(key("attention.key_length")).value_or(hidden_ / heads_);
    if (metadata_.find_int(key("attention.value_length")).value_or(head_dim_) != head_dim_)
      fail(Code::kUnsupported, where_, ": keys and values of different length are not supported");
    out_.set("vocab_size", embedding->shape[0]);
    out_.set("hidden_size", hidden_);
    if (const auto n = uniform("feed_forward_length")) out_.set("intermediate_size", *n);
    out_.set("num_hidden_layers", layers_);
    out_.set("num_attention_heads", heads_);
    out_.set("num_key_value_heads", uniform("attention.head_count_kv").value_or(heads_));
    out_.set("head_dim", head_dim_);
    out_.set("max_position_embeddings", required("context_length"));
    if (const auto eps = metadata_.find_float(key("attention.layer_norm_rms_epsilon"))) out_.set("rms_norm_eps", *eps);
    out_.set("tie_word_embeddings", tensor("output.weight") == nullptr);
  }

  // One rope_parameters dictionary; scaling applies to the global table only.
  Json rope_table(double theta, bool scaled) const {
    Json r = Json::object();
    r.set("rope_theta", theta);
    const int64_t rotary = metadata_.find_int(key("rope.dimension_count")).value_or(head_dim_);
    if (rotary != head_dim_ && head_dim_ > 0)
      r.set("partial_rotary_factor", static_cast<double>(rotary) / static_cast<double>(head_dim_));
    r.set("rope_type", "default");
    if (!scaled) return r;
    const auto old_linear = metadata_.find_float(key("rope.scale_linear"));  // before rope.scaling.* existed
    const std::string type(metadata_.find_string(key("rope.scaling.type")).value_or(old_linear ? "linear" : "none"));
    const double factor = metadata_.find_float(key("rope.scaling.factor")).value_or(old_linear.value_or(1.0));
    if (type == "linear") {
      if (factor != 1.0) r.set("rope_type", "linear"), r.set("factor", factor);
    } else if (type == "yarn") {
      yarn(r, factor);
    } else if (type != "none") {
      fail(Code::kUnsupported, where_, ": ", key("rope.scaling.type"), " \"", printable(type),
           "\" is not supported, supported are none, linear, yarn");
    }
    if (!rope_factors_.empty()) {
      Json factors = Json::array();
      for (float f : rope_factors_) factors.push_back(static_cast<double>(f));
      r.set("freq_factors", std::move(factors));
    }
    return r;
  }

  void yarn(Json& r, double factor) const {
    r.set("rope_type", "yarn");
    r.set("factor", factor);
    if (const auto n = metadata_.find_int(key("rope.scaling.original_context_length")))
      r.set("original_max_position_embeddings", *n);
    if (const auto v = metadata_.find_float(key("rope.scaling.yarn_beta_fast"))) r.set("beta_fast", *v);
    if (const auto v = metadata_.find_float(key("rope.scaling.yarn_beta_slow"))) r.set("beta_slow", *v);
    // GGUF: a multiplier on top of YaRN's own 0.1 ln(factor) + 1; Hugging Face: the whole number.
    const double extra = metadata_.find_float(key("rope.scaling.attn_factor")).value_or(1.0);
    if (extra != 1.0 && factor > 0) r.set("attention_factor", extra * (0.1 * std::log(factor) + 1.0));
  }

  void rope() {
    const double theta = metadata_.find_float(key("rope.freq_base")).value_or(arch_.name == "gemma3" ? 1e6 : 1e4);
    if (arch_.name != "gemma3") {
      out_.set("rope_parameters", rope_table(theta, true));
      return;
    }
    const double local = metadata_.find_float(key("rope.freq_base_swa")).value_or(1e4);
    out_.set("rope_parameters", Json::object({{"full_attention", rope_table(theta, true)},
                                              {"sliding_attention", rope_table(local, false)}}));
  }

  void layer_types(int64_t full_every) {  // 0: every layer is full
    Json types = Json::array();
    for (int64_t i = 0; i < layers_; ++i)
      types.push_back(full_every > 0 && (i + 1) % full_every != 0 ? "sliding_attention" : "full_attention");
    out_.set("layer_types", std::move(types));
  }

  void sliding() {
    const auto window = metadata_.find_int(key("attention.sliding_window"));
    if (arch_.name == "gemma3") {
      out_.set("sliding_window", window.value_or(1024));
      layer_types(6);
    } else if (arch_.name != "llama") {
      out_.set("sliding_window", nullptr);
      layer_types(0);
    } else if (window.value_or(0) > 0) {  // Mistral 0.1 and its kin: the window applies to every layer
      out_.set("model_type", "mistral");
      out_.set("architectures", Json::array({"MistralForCausalLM"}));
      out_.set("sliding_window", *window);
    }
  }

  void biases() {
    if (arch_.name == "qwen2") return;  // its class has them always
    out_.set("attention_bias", tensor("blk.0.attn_q.bias") != nullptr);
    if (arch_.name == "llama") out_.set("mlp_bias", tensor("blk.0.ffn_gate.bias") != nullptr);
  }

  void gemma3() {
    out_.set("hidden_activation", "gelu_pytorch_tanh");
    // The file does not say it; of the published sizes only 27B (62 layers) divides by hidden / heads.
    out_.set("query_pre_attn_scalar", layers_ == 62 ? hidden_ / heads_ : head_dim_);
  }

  void tokens() {
    if (const auto bos = metadata_.find_int("tokenizer.ggml.bos_token_id")) out_.set("bos_token_id", *bos);
    std::vector<int64_t> stops;
    const auto add = [&](int64_t id) {
      if (std::find(stops.begin(), stops.end(), id) == stops.end()) stops.push_back(id);
    };
    for (const char* name : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
      if (const auto id = metadata_.find_int(name)) add(*id);
    if (!metadata_.has("tokenizer.ggml.eot_token_id"))
      for (int64_t id : ends_of_turn()) add(id);
    if (stops.size() == 1) {
      out_.set("eos_token_id", stops[0]);
    } else if (!stops.empty()) {
      Json list = Json::array();
      for (int64_t id : stops) list.push_back(id);
      out_.set("eos_token_id", std::move(list));
    }
  }

  // Older converters wrote no end-of-turn id, and a chat model would never stop: known tokens are looked up by name.
  std::vector<int64_t> ends_of_turn() const {
    static constexpr std::string_view kNames[] = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>"};
    std::vector<int64_t> ids;
    if (!metadata_.has("tokenizer.ggml.tokens")) return ids;
    metadata_.each_string("tokenizer.ggml.tokens", [&](uint64_t id, std::string_view text) {
      if (!text.empty() && text[0] == '<' && std::find(std::begin(kNames), std::end(kNames), text) != std::end(kNames))
        ids.push_back(static_cast<int64_t>(id));
      return ids.size() < 16;
    });
    return ids;
  }

  const GgufArch& arch_;
  const GgufMetadata& metadata_;
  const std::vector<const GgufTensor*>& tensors_;
  const std::vector<float>& rope_factors_;
  std::string_view where_;
  Json out_ = Json::object();
  int64_t layers_ = 0, hidden_ = 0, heads_ = 1, head_dim_ = 0;
};

}  // namespace

Json gguf_config(const GgufArch& arch, const GgufMetadata& metadata, const std::vector<const GgufTensor*>& tensors,
                 const std::vector<float>& rope_factors, std::string_view where) {
  return ConfigWriter(arch, metadata, tensors, rope_factors, where).write();
}

}  // namespace mainspring
