// The configuration of a model, read once from config.json (transformers 4 and 5 spellings) with ranges checked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace mainspring {

enum class RopeType { kDefault, kLinear, kDynamic, kYarn, kLlama3, kLongrope };

struct RopeConfig {
  RopeType type = RopeType::kDefault;
  double theta = 10000.0;
  double factor = 1.0;
  double partial_rotary_factor = 1.0;
  int64_t original_max_position = 0;         // 0: not given
  double low_freq_factor = 1.0, high_freq_factor = 4.0;   // llama3
  double beta_fast = 32.0, beta_slow = 1.0;  // yarn
  bool truncate = true;                      // yarn
  std::optional<double> attention_factor, mscale, mscale_all_dim;
  std::vector<double> short_factor, long_factor;  // longrope
  std::vector<double> freq_factors;  // GGUF: inv_freq[i] is divided by freq_factors[i]; empty or rotary dims / 2 numbers
  bool operator==(const RopeConfig&) const = default;
};

// Fields that most families share, with the family-independent defaults of transformers. A family reads anything else
// from `raw` with the typed getters below.
struct Config {
  Json raw;                    // the text model's part (text_config of a VLM)
  std::vector<std::string> architectures;
  std::string model_type;
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  int64_t num_layers = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
  int64_t max_position = 0;
  double rms_norm_eps = 1e-6;
  std::string hidden_act = "silu";           // hidden_activation wins where present
  bool tie_word_embeddings = false;
  bool attention_bias = false, mlp_bias = false;
  RopeConfig rope;                           // global (full attention) layers
  std::optional<RopeConfig> rope_local;      // sliding layers, when they differ (gemma3)
  std::optional<int64_t> sliding_window;     // the number as written; whether it applies is the family's business
  std::vector<bool> layer_is_sliding;        // from layer_types; empty when the key is absent
  std::vector<int32_t> eos_ids;              // config and generation_config together
  std::optional<int32_t> bos_id;

  int64_t get_int(std::string_view key, int64_t fallback, int64_t low, int64_t high) const;
  double get_double(std::string_view key, double fallback, double low, double high) const;
  bool get_bool(std::string_view key, bool fallback) const;
  std::string get_string(std::string_view key, std::string_view fallback) const;
  bool has(std::string_view key) const noexcept;  // present and not null
};

// kInvalidInput names the key, the allowed range and what was found.
Config read_config(const Json& config, const Json& generation_config);

}  // namespace mainspring
