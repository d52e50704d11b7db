// config.json to Config: nested text models, older key names, class defaults, ranges.
#include "weights/config.h"

#include <algorithm>

#include "base/str.h"
#include "weights/class_defaults.h"
#include "weights/json_range.h"
#include "weights/rope_config.h"

namespace mainspring {

namespace {

// One row per size: key, an older key with the same meaning, range, where it goes and what the class assumes.
struct SizeField {
  std::string_view key, older;
  int64_t low, high;
  int64_t Config::*member;
  int64_t ClassDefaults::*fallback;
  bool required;
};

constexpr SizeField kSizes[] = {
    {"vocab_size", "padded_vocab_size", 1, 1 << 24, &Config::vocab_size, &ClassDefaults::vocab_size, true},
    {"hidden_size", "n_embd", 1, 1 << 20, &Config::hidden_size, &ClassDefaults::hidden_size, true},
    {"intermediate_size", "ffn_hidden_size", 1, 1 << 22, &Config::intermediate_size, &ClassDefaults::intermediate_size,
     false},
    {"num_hidden_layers", "n_layer", 1, 1024, &Config::num_layers, &ClassDefaults::num_layers, true},
    {"num_attention_heads", "n_head", 1, 4096, &Config::num_heads, &ClassDefaults::num_heads, true},
    {"max_position_embeddings", "n_positions", 1, 1 << 28, &Config::max_position, &ClassDefaults::max_position, false},
};
constexpr int64_t kMaxHeadDim = 8192;
constexpr int64_t kMaxTokenId = 1 << 24;

const Json* find_either(const Json& object, std::string_view key, std::string_view older) {
  const Json* v = find_value(object, key);
  return v ? v : find_value(object, older);
}

void read_sizes(Config& c, const ClassDefaults& d) {
  for (const SizeField& f : kSizes) {
    if (const Json* v = find_either(c.raw, f.key, f.older)) c.*f.member = to_int(*v, f.key, f.low, f.high);
    else c.*f.member = d.*f.fallback;
    if (f.required && c.*f.member == 0)
      fail(Code::kInvalidInput, "config: key ", f.key, " is missing, and model type \"", printable(c.model_type),
           "\" has no known default");
  }
  // Absent: the class's number. null: derived.
  c.num_kv_heads = c.raw.contains("num_key_value_heads") || d.num_kv_heads == 0 ? c.num_heads : d.num_kv_heads;
  if (const Json* v = find_value(c.raw, "num_key_value_heads")) c.num_kv_heads = to_int(*v, "num_key_value_heads", 1, 4096);
  c.head_dim = c.raw.contains("head_dim") ? 0 : d.head_dim;
  if (const Json* v = find_either(c.raw, "head_dim", "kv_channels")) c.head_dim = to_int(*v, "head_dim", 1, kMaxHeadDim);
  if (c.head_dim == 0) c.head_dim = c.hidden_size / c.num_heads;
  if (c.head_dim < 1 || c.head_dim > kMaxHeadDim)
    fail(Code::kInvalidInput, "config: hidden_size ", c.hidden_size, " and num_attention_heads ", c.num_heads,
         " give a head size of ", c.head_dim, ", expected 1..", kMaxHeadDim);
  if (c.num_heads % c.num_kv_heads != 0)
    fail(Code::kInvalidInput, "config: num_attention_heads ", c.num_heads, " is not a multiple of num_key_value_heads ",
         c.num_kv_heads);
}

void read_layer_types(Config& c, const ClassDefaults& d) {
  const auto layers = static_cast<size_t>(c.num_layers);
  if (const Json* types = find_value(c.raw, "layer_types")) {
    if (!types->is_array() || types->size() != layers) bad_value(*types, "layer_types", cat("a list of ", layers, " strings"));
    for (const Json& t : types->as_array()) {
      const std::string& name = to_string(t, "layer_types");
      if (name != "full_attention" && name != "sliding_attention")
        fail(Code::kUnsupported, "config: layer type \"", printable(name),
             "\" is not supported, supported are full_attention, sliding_attention");
      c.layer_is_sliding.push_back(name == "sliding_attention");
    }
    return;
  }
  const Json* pattern = find_either(c.raw, "sliding_window_pattern", "_sliding_window_pattern");
  const int64_t every = pattern && d.full_every > 0 ? to_int(*pattern, "sliding_window_pattern", 1, 1024) : d.full_every;
  for (size_t i = 0; every > 0 && i < layers; ++i)
    c.layer_is_sliding.push_back((static_cast<int64_t>(i) + 1) % every != 0);
}

void read_sliding_window(Config& c, const ClassDefaults& d) {
  if (const Json* v = find_value(c.raw, "sliding_window")) c.sliding_window = to_int(*v, "sliding_window", 1, 1 << 28);
  else if (!c.raw.contains("sliding_window") && d.sliding_window > 0) c.sliding_window = d.sliding_window;
}

// -1 stands for "none" in some files.
void add_token_ids(const Json* v, std::string_view key, std::vector<int32_t>& out) {
  if (!v) return;
  if (v->is_array() && v->size() > 1024) bad_value(*v, key, "at most 1024 token ids");
  const Json one = v->is_array() ? *v : Json::array({*v});
  for (const Json& item : one.as_array()) {
    const auto id = static_cast<int32_t>(to_int(item, key, -1, kMaxTokenId));
    if (id >= 0 && std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
  }
}

void read_tokens(Config& c, const Json& top, const Json& generation) {
  std::vector<int32_t> bos;
  for (const Json* from : std::initializer_list<const Json*>{&c.raw, &top, &generation}) {
    add_token_ids(find_value(*from, "eos_token_id"), "eos_token_id", c.eos_ids);
    add_token_ids(find_value(*from, "bos_token_id"), "bos_token_id", bos);
  }
  if (!bos.empty()) c.bos_id = bos.front();
}

void read_flag(const Json& object, std::string_view key, bool& out) {
  if (const Json* v = find_value(object, key)) out = to_bool(*v, key);
}

// The language model's part of a multimodal configuration, or the whole.
const Json& text_part(const Json& config) {
  for (std::string_view key : {"text_config", "llm_config"})
    if (const Json* v = find_value(config, key)) {
      if (!v->is_object()) bad_value(*v, key, "an object");
      return *v;
    }
  return config;
}

void read_names(Config& c, const Json& top) {
  for (const Json* from : std::initializer_list<const Json*>{&top, &c.raw}) {
    const Json* list = find_value(*from, "architectures");
    if (!list || !c.architectures.empty()) continue;
    if (!list->is_array() || list->size() > 64) bad_value(*list, "architectures", "a list of at most 64 strings");
    for (const Json& name : list->as_array()) c.architectures.push_back(to_string(name, "architectures"));
  }
  if (const Json* v = find_value(c.raw, "model_type")) c.model_type = to_string(*v, "model_type");
  else if (const Json* outer = find_value(top, "model_type")) c.model_type = to_string(*outer, "model_type");
  if (c.model_type == "gemma3") c.model_type = "gemma3_text";  // a nested part may leave its own name out
}

}  // namespace

Config read_config(const Json& config, const Json& generation_config) {
  if (!config.is_object()) fail(Code::kInvalidInput, "config: expected a JSON object, found ", kind_text(config));
  Config c;
  c.raw = text_part(config);
  read_names(c, config);
  const ClassDefaults d = class_defaults(c.model_type);
  read_sizes(c, d);
  c.rms_norm_eps = d.rms_norm_eps;
  if (const Json* v = find_either(c.raw, "rms_norm_eps", "layer_norm_epsilon"))
    c.rms_norm_eps = to_double(*v, "rms_norm_eps", 0, 1);
  c.hidden_act = d.hidden_act;
  if (const Json* v = find_either(c.raw, "hidden_activation", "hidden_act")) c.hidden_act = to_string(*v, "hidden_act");
  c.tie_word_embeddings = d.tie_word_embeddings;
  read_flag(config, "tie_word_embeddings", c.tie_word_embeddings);
  read_flag(c.raw, "tie_word_embeddings", c.tie_word_embeddings);
  read_flag(c.raw, "attention_bias", c.attention_bias);
  read_flag(c.raw, "mlp_bias", c.mlp_bias);
  read_rope(c, d);
  read_sliding_window(c, d);
  read_layer_types(c, d);
  read_tokens(c, config, generation_config);
  return c;
}

bool Config::has(std::string_view key) const noexcept { return find_value(raw, key) != nullptr; }

int64_t Config::get_int(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
  const Json* v = find_value(raw, key);
  return v ? to_int(*v, key, low, high) : fallback;
}
double Config::get_double(std::string_view key, double fallback, double low, double high) const {
  const Json* v = find_value(raw, key);
  return v ? to_double(*v, key, low, high) : fallback;
}
bool Config::get_bool(std::string_view key, bool fallback) const {
  const Json* v = find_value(raw, key);
  return v ? to_bool(*v, key) : fallback;
}
std::string Config::get_string(std::string_view key, std::string_view fallback) const {
  const Json* v = find_value(raw, key);
  return v ? to_string(*v, key) : std::string(fallback);
}

}  // namespace mainspring
