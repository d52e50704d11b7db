// The models of tokenizer.json and their relatives: a piece of text becomes token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizers/vocab.h"

namespace mainspring::tok {

// Working memory of one encode call (kept and reused by the tokenizer).
class ModelScratch {
 public:
  virtual ~ModelScratch() = default;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual std::unique_ptr<ModelScratch> make_scratch() const { return std::make_unique<ModelScratch>(); }
  // `piece` is not empty.
  virtual void tokenize(std::string_view piece, std::vector<int32_t>& out, ModelScratch& scratch) const = 0;
  virtual const Vocab& vocab() const noexcept = 0;
  virtual std::string name() const = 0;  // "BPE"
};
using ModelPtr = std::unique_ptr<Model>;

struct BpeOptions {
  bool raw_bytes = false;  // pieces are raw bytes and the vocabulary spells them in the byte alphabet
  bool byte_fallback = false;
  bool fuse_unk = false;
  bool ignore_merges = false;
  std::optional<std::string> unk_token;
  std::string continuing_prefix, end_suffix;
};

using MergeList = std::vector<std::pair<std::string_view, std::string_view>>;

// BPE with a list of merges (the views are used during the call only). kInvalidInput names a merge whose parts or
// result are not in the vocabulary.
ModelPtr make_bpe(Vocab vocab, const MergeList& merges, BpeOptions options);

// BPE that merges the pair whose concatenation has the best priority (0 is best): sentencepiece and tiktoken.
struct RankedTokens {
  std::vector<uint32_t> priority;  // by id
  std::vector<bool> excluded;      // by id: never the result of a merge (control, byte and unknown tokens); may be empty
  std::vector<bool> unused;        // by id: merged on the way but taken apart again at the end; may be empty
};
ModelPtr make_ranked_bpe(Vocab vocab, RankedTokens ranks, BpeOptions options);

struct UnigramOptions {
  std::optional<int32_t> unk_id;
  bool byte_fallback = false;
};
// `scores` by id.
ModelPtr make_unigram(Vocab vocab, std::vector<double> scores, UnigramOptions options);

ModelPtr make_word_piece(Vocab vocab, std::string unk_token, std::string prefix, size_t max_chars);
ModelPtr make_word_level(Vocab vocab, std::string unk_token);

// The "model" member of tokenizer.json. `raw_bytes`: see BpeOptions.
ModelPtr make_model(const Json& spec, bool raw_bytes);

}  // namespace mainspring::tok
