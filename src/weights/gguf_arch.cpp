// Architectures and tensor names of GGUF files.
#include "weights/gguf_arch.h"

#include <algorithm>

#include "base/str.h"

namespace mainspring {

namespace {

constexpr GgufArch kArchs[] = {
    {.name = "llama", .model_type = "llama", .architecture = "LlamaForCausalLM", .interleaved_rope = true},
    {.name = "qwen2", .model_type = "qwen2", .architecture = "Qwen2ForCausalLM"},
    {.name = "qwen3", .model_type = "qwen3", .architecture = "Qwen3ForCausalLM"},
    {.name = "gemma3",
     .model_type = "gemma3_text",
     .architecture = "Gemma3ForCausalLM",
     .norms_plus_one = true,
     .sandwich_norms = true},
};

struct NamePair {
  std::string_view gguf, hugging_face;
};

constexpr NamePair kModelNames[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};

constexpr NamePair kLayerNames[] = {
    {"attn_norm", "input_layernorm"},      {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},        {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},   {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},   {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},             {"ffn_down", "mlp.down_proj"}};
constexpr NamePair kPreNorms[] = {{"ffn_norm", "post_attention_layernorm"}};
constexpr NamePair kSandwichNorms[] = {{"post_attention_norm", "post_attention_layernorm"},
                                       {"ffn_norm", "pre_feedforward_layernorm"},
                                       {"post_ffw_norm", "post_feedforward_layernorm"}};

template <size_t n>
std::string_view lookup(const NamePair (&pairs)[n], std::string_view gguf) {
  for (const NamePair& p : pairs)
    if (p.gguf == gguf) return p.hugging_face;
  return {};
}

bool is_layer_number(std::string_view s) {
  return !s.empty() && s.size() <= 5 && (s == "0" || s[0] != '0') &&
         s.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

const GgufArch& find_gguf_arch(const GgufMetadata& metadata, std::string_view where) {
  const auto name = metadata.find_string("general.architecture");
  if (!name) fail(Code::kInvalidInput, where, ": key general.architecture is missing");
  std::string known;
  for (const GgufArch& a : kArchs) {
    if (a.name == *name) return a;
    known += cat(known.empty() ? "" : ", ", a.name);
  }
  fail(Code::kUnsupported, where, ": GGUF architecture \"", printable(*name), "\" is not supported, supported are ", known);
}

std::optional<std::string> hugging_face_name(const GgufArch& arch, std::string_view gguf) {
  const size_t dot = gguf.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view suffix = gguf.substr(dot);
  if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  const std::string_view stem = gguf.substr(0, dot);
  if (const auto hf = lookup(kModelNames, stem); !hf.empty()) return cat(hf, suffix);
  const std::vector<std::string_view> parts = split(stem, '.');
  if (parts.size() != 3 || parts[0] != "blk" || !is_layer_number(parts[1])) return std::nullopt;
  std::string_view hf = lookup(kLayerNames, parts[2]);
  if (hf.empty()) hf = arch.sandwich_norms ? lookup(kSandwichNorms, parts[2]) : lookup(kPreNorms, parts[2]);
  if (hf.empty()) return std::nullopt;
  return cat("model.layers.", parts[1], ".", hf, suffix);
}

}  // namespace mainspring
