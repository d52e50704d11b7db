// Split rules that tokenizer.ggml.pre names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mainspring::tok {

struct GgufPre {
  std::string_view names;                  // space-separated values of tokenizer.ggml.pre
  std::vector<std::string_view> patterns;  // applied one after the other, matches isolated
  unsigned flags = 0;

  static constexpr unsigned kNfc = 1;           // the family's normalizer is NFC
  static constexpr unsigned kIgnoreMerges = 2;  // a whole piece that is a token stays whole
  static constexpr unsigned kAddBos = 4;        // unless tokenizer.ggml.add_bos_token says otherwise
  static constexpr unsigned kRawText = 8;  // no byte alphabet: spaces become U+2581, unknown characters byte tokens
  bool has(unsigned flag) const noexcept { return (flags & flag) != 0; }
};

// kUnsupported names the value when it is not known.
const GgufPre& find_gguf_pre(std::string_view name);

// Patterns that tiktoken files share with GGUF names.
extern const std::string_view kLlama3Pattern, kQwen2Pattern, kGpt4oPattern, kKimiPattern;

}  // namespace mainspring::tok
