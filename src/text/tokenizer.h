// Tokenizers: text <-> token ids. One interface, whichever file the vocabulary came from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace mainspring {

using TokenId = int32_t;

struct EncodeOptions {
  bool add_special_tokens = true;    // run the post-processor (bos/eos); templates are encoded with false
  bool parse_special_tokens = true;  // "<|im_end|>" in the text becomes its id; false: plain text
};

// Special ids as the tokenizer's own files state them; a model's generation_config may add more eos ids.
struct SpecialTokens {
  std::optional<TokenId> bos, eos, pad, unk;
};

// Thread-safe after construction; all methods are const.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  // Ids out of range throw kInvalidInput. The result is what the reference decoder prints for the whole sequence.
  virtual std::string decode(std::span<const TokenId> ids, bool skip_special_tokens = false) const = 0;

  virtual size_t vocab_size() const noexcept = 0;  // highest id + 1, added tokens included
  virtual std::optional<TokenId> token_to_id(std::string_view token) const = 0;
  // The vocabulary's own spelling ("Ġthe", "▁the", "<0x0A>"); empty for unused ids.
  virtual std::string id_to_token(TokenId id) const = 0;
  virtual bool is_special(TokenId id) const noexcept = 0;
  // Bytes this token contributes in the middle of a text (byte-level and byte-fallback pieces decoded).
  virtual std::string token_bytes(TokenId id) const = 0;
  virtual const SpecialTokens& special_tokens() const noexcept = 0;
  // "BPE, byte-level, 49152 tokens" for `inspect`.
  virtual std::string describe() const = 0;
};

// tokenizer.json of the Hugging Face `tokenizers` library, complete. `config` is tokenizer_config.json (may be null):
// it names bos/eos/pad/unk and extra added tokens.
std::unique_ptr<Tokenizer> load_tokenizer_json(const Json& tokenizer, const Json& config);
// tokenizer.model (sentencepiece protobuf bytes). `config` as above: add_bos_token, add_eos_token, legacy, added_tokens_decoder.
std::unique_ptr<Tokenizer> load_tokenizer_spm(std::string_view model_bytes, const Json& config);
// tiktoken rank file ("base64 rank" lines). `config`: special tokens by id, `pattern` overrides the split expression.
std::unique_ptr<Tokenizer> load_tokenizer_tiktoken(std::string_view ranks, const Json& config);

// The tokenizer inside a GGUF file, as plain data so that text/ does not depend on weights/.
struct GgufVocab {
  std::string model;  // tokenizer.ggml.model: "llama" (sentencepiece BPE), "gpt2" (byte-level BPE), "bert", "t5" (unigram)
  std::string pre;    // tokenizer.ggml.pre: "llama-bpe", "qwen2", "smollm", "deepseek-v3", ...
  std::vector<std::string> tokens;
  std::vector<float> scores;        // may be empty
  std::vector<int32_t> token_types; // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; may be empty
  std::vector<std::string> merges;  // "a b"
  std::optional<TokenId> bos, eos, pad, unk;
  std::optional<bool> add_bos, add_eos, add_space_prefix;
  std::string precompiled_charsmap;              // "t5": tokenizer.ggml.precompiled_charsmap (bytes); may be empty
  std::optional<bool> remove_extra_whitespaces;  // "t5": tokenizer.ggml.remove_extra_whitespaces
};
std::unique_ptr<Tokenizer> load_tokenizer_gguf(const GgufVocab& vocab);

// Finds and loads the tokenizer of a Hugging Face folder: tokenizer.json, else tokenizer.model, else *.tiktoken,
// else vocab.json + merges.txt. kNotFound says which files were looked for.
std::unique_ptr<Tokenizer> load_tokenizer_folder(const std::string& folder);

// A file of a model by its name, nothing when there is none; "*.tiktoken" means the first such file by name.
using ModelFiles = std::function<std::optional<std::string>(std::string_view name)>;
ModelFiles files_of_folder(const std::string& folder);
// The same from files that need not lie in a folder; `where` names them in messages.
std::unique_ptr<Tokenizer> load_tokenizer_files(const ModelFiles& files, const std::string& where);

}  // namespace mainspring
