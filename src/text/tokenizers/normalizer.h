// Normalizers of tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizers/normalized_text.h"
#include "text/tokenizers/regex.h"

namespace mainspring::tok {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(NormalizedText& text, RegexScratch& scratch) const = 0;
};
using NormalizerPtr = std::unique_ptr<Normalizer>;

// `spec` is the "normalizer" member; null gives nullptr.
NormalizerPtr make_normalizer(const Json& spec);

// Pieces that other loaders build from.
NormalizerPtr make_sequence_normalizer(std::vector<NormalizerPtr> parts);
NormalizerPtr make_prepend_normalizer(std::string text);
NormalizerPtr make_replace_normalizer(Regex pattern, std::string content);
NormalizerPtr make_nfc_normalizer();
NormalizerPtr make_bert_normalizer(bool lowercase);
// `charsmap`: the compiled map of a sentencepiece model (binary). Throws kInvalidInput when malformed.
NormalizerPtr make_precompiled_normalizer(std::string charsmap);

}  // namespace mainspring::tok
