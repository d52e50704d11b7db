// Source: the configuration classes of transformers 5.23.0, and for InternLM and Qwen (1) their remote code.
#include "weights/class_defaults.h"

namespace mainspring {

namespace {

constexpr ClassDefaults kTable[] = {
    {.model_type = "llama", .vocab_size = 32000, .hidden_size = 4096, .intermediate_size = 11008, .num_layers = 32,
     .num_heads = 32, .max_position = 2048, .tie_word_embeddings = false},
    {.model_type = "mistral", .vocab_size = 32000, .hidden_size = 4096, .intermediate_size = 14336, .num_layers = 32,
     .num_heads = 32, .num_kv_heads = 8, .max_position = 131072, .sliding_window = 4096, .tie_word_embeddings = false},
    {.model_type = "qwen2", .vocab_size = 151936, .hidden_size = 4096, .intermediate_size = 22016, .num_layers = 32,
     .num_heads = 32, .num_kv_heads = 32, .max_position = 32768, .sliding_window = 4096, .tie_word_embeddings = false},
    {.model_type = "qwen3", .vocab_size = 151936, .hidden_size = 4096, .intermediate_size = 22016, .num_layers = 32,
     .num_heads = 32, .num_kv_heads = 32, .head_dim = 128, .max_position = 32768, .sliding_window = 4096,
     .tie_word_embeddings = false},
    {.model_type = "gemma3_text", .vocab_size = 262208, .hidden_size = 2304, .intermediate_size = 9216, .num_layers = 26,
     .num_heads = 8, .num_kv_heads = 4, .head_dim = 256, .max_position = 131072, .rope_theta = 1e6,
     .rope_local_theta = 1e4, .sliding_window = 4096, .full_every = 6, .hidden_act = "gelu_pytorch_tanh"},
    {.model_type = "phi3", .vocab_size = 32064, .hidden_size = 3072, .intermediate_size = 8192, .num_layers = 32,
     .num_heads = 32, .max_position = 4096, .rms_norm_eps = 1e-5, .tie_word_embeddings = false},
    {.model_type = "internlm", .vocab_size = 103168, .hidden_size = 4096, .intermediate_size = 11008, .num_layers = 32,
     .num_heads = 32, .max_position = 2048, .tie_word_embeddings = false},
    {.model_type = "internlm2", .vocab_size = 103168, .hidden_size = 4096, .intermediate_size = 11008, .num_layers = 32,
     .num_heads = 32, .max_position = 2048, .tie_word_embeddings = false},
    {.model_type = "internlm3", .vocab_size = 128512, .hidden_size = 4096, .intermediate_size = 11008, .num_layers = 32,
     .num_heads = 32, .max_position = 32768, .tie_word_embeddings = false},
    {.model_type = "qwen", .vocab_size = 151936, .hidden_size = 4096, .intermediate_size = 22016, .num_layers = 32,
     .num_heads = 32, .max_position = 8192, .tie_word_embeddings = false},
};

}  // namespace

ClassDefaults class_defaults(std::string_view model_type) noexcept {
  for (const ClassDefaults& d : kTable)
    if (d.model_type == model_type) return d;
  return {.model_type = model_type};
}

}  // namespace mainspring
