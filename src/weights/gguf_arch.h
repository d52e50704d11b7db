// How GGUF names architectures, tensors and settings, and what Hugging Face calls them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "weights/checkpoint.h"
#include "weights/gguf_file.h"

namespace mainspring {

// Data of one GGUF architecture.
struct GgufArch {
  std::string_view name;           // general.architecture
  std::string_view model_type;     // Hugging Face
  std::string_view architecture;
  bool interleaved_rope = false;   // attn_q and attn_k rows are stored for rotation of neighbours
  bool norms_plus_one = false;     // norm weights are stored as 1 + w
  bool sandwich_norms = false;     // norms before and after attention and MLP (gemma)
};

// kUnsupported names the architecture and those that can be read.
const GgufArch& find_gguf_arch(const GgufMetadata& metadata, std::string_view where);
// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; nullopt for names without a counterpart.
std::optional<std::string> hugging_face_name(const GgufArch& arch, std::string_view gguf_name);

// config.json as Hugging Face would write it. `tensors` by their GGUF names; `rope_factors` are the numbers of
// rope_freqs.weight, empty when there is none.
Json gguf_config(const GgufArch& arch, const GgufMetadata& metadata, const std::vector<const GgufTensor*>& tensors,
                 const std::vector<float>& rope_factors, std::string_view where);

}  // namespace mainspring
