// The text side of a model: tokenizer, chat template and special tokens, from a folder or from inside a file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "weights/checkpoint.h"

namespace mainspring {

struct ModelText {
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::string template_source;   // empty: none

  std::vector<TokenId> tokenize(std::string_view text, bool add_special, bool parse_special) const;
  std::string detokenize(std::span<const TokenId> tokens, bool skip_special) const;
  std::string token_text(TokenId token) const;
};

// With a GGUF checkpoint its metadata, else the files of the folder or of a packed file. `parse_template` false leaves
// chat_template empty.
ModelText load_model_text(const std::string& path, const Checkpoint* checkpoint, bool parse_template = true);

// The files that load_model_text reads for a checkpoint without GGUF metadata, each with its bytes.
std::vector<std::pair<std::string, std::string>> model_text_files(const std::string& folder);

// A path whose tokenizer lies in the checkpoint: a .gguf or a packed file.
bool text_is_in_file(const std::string& path);

}  // namespace mainspring
