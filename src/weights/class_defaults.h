// What transformers' configuration classes assume for keys that a config.json leaves out.
#pragma once

#include <cstdint>
#include <string_view>

namespace mainspring {

struct ClassDefaults {
  std::string_view model_type;
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_layers = 0, num_heads = 0;
  int64_t num_kv_heads = 0;    // 0: num_heads
  int64_t head_dim = 0;        // 0: hidden_size / num_heads
  int64_t max_position = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 1e4;
  double rope_local_theta = 0;  // > 0: sliding layers have a table of their own
  int64_t sliding_window = 0;   // 0: none
  int64_t full_every = 0;       // > 0: layer i is full when (i + 1) % full_every == 0, and sliding otherwise
  std::string_view hidden_act = "silu";
  bool tie_word_embeddings = true;  // the base class's value
};

// Sizes are 0 for model types that are not in the table: their config.json must name them.
ClassDefaults class_defaults(std::string_view model_type) noexcept;

}  // namespace mainspring
