// tokenizer.model: a sentencepiece model, run by the sentencepiece library.
//
// tokenizer_config.json decides about bos and eos (add_bos_token, default on; add_eos_token, default off) and names
// added tokens. Control symbols and added tokens in the text become their ids when special tokens are parsed. With
// legacy = false only the very first part of a text gets the dummy space in front, as in the reference's "legacy fix".
#include <sentencepiece_processor.h>

#include <algorithm>
#include <charconv>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizers/added_vocabulary.h"
#include "text/tokenizers/decoder.h"
#include "text/tokenizers/json_fields.h"
#include "text/tokenizers/pre_tokenizer.h"
#include "text/tokenizers/special_tokens.h"

namespace mainspring {
namespace tok {
namespace {

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string_view model, const Json& config) {
    if (model.size() < 16) fail(Code::kInvalidInput, "tokenizer.model is too short (", model.size(), " bytes)");
    const auto status = processor_.LoadFromSerializedProto(absl::string_view(model.data(), model.size()));
    if (!status.ok()) fail(Code::kInvalidInput, "tokenizer.model: ", printable(status.ToString()));
    pieces_ = processor_.GetPieceSize();
    if (pieces_ <= 0) fail(Code::kInvalidInput, "tokenizer.model holds no pieces");
    const auto id_if = [](int id) -> std::optional<TokenId> { return id < 0 ? std::nullopt : std::optional<TokenId>(id); };
    special_ = {id_if(processor_.bos_id()), id_if(processor_.eos_id()), id_if(processor_.pad_id()),
                id_if(processor_.unk_id())};
    for (int id = 0; id < pieces_; ++id) {
      if (!processor_.IsControl(id) && !processor_.IsUnknown(id)) continue;
      AddedToken token;
      token.content = processor_.IdToPiece(id);
      token.id = id;
      token.special = true;
      added_.add(token, token.content);
    }
    read_config(config);
  }

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::string repaired;
    if (!is_valid_utf8(text)) {
      repaired = replace_invalid_utf8(text);
      text = repaired;
    }
    std::vector<TokenId> ids;
    if (options.add_special_tokens && add_bos_ && special_.bos) ids.push_back(*special_.bos);
    std::vector<AddedVocabulary::Part> parts;
    added_.split(text, false, !options.parse_special_tokens, parts);
    for (const auto& part : parts) {
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        append_text(text.substr(part.begin, part.end - part.begin), legacy_ || part.begin == 0, ids);
      }
    }
    if (options.add_special_tokens && add_eos_ && special_.eos) ids.push_back(*special_.eos);
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens) const override {
    std::string out;
    std::vector<int> run;
    const auto flush = [&] {
      if (run.empty()) return;
      std::string text;
      if (!processor_.Decode(run, &text).ok()) fail(Code::kInternal, "sentencepiece could not decode");
      out += text;
      run.clear();
    };
    for (const TokenId id : ids) {
      check(id);
      const AddedToken* token = added_.by_id(id);
      if (token == nullptr || (id == special_.unk.value_or(-1) && id < pieces_)) {
        if (id < pieces_) run.push_back(id);
        continue;
      }
      if (token->special && skip_special_tokens) continue;
      flush();
      out += token->content;
    }
    flush();
    return out;
  }

  size_t vocab_size() const noexcept override {
    return std::max(static_cast<size_t>(pieces_), static_cast<size_t>(added_.highest_id() + 1));
  }
  std::optional<TokenId> token_to_id(std::string_view token) const override {
    if (const int32_t id = added_.find(token); id >= 0) return id;
    const int id = processor_.PieceToId(absl::string_view(token.data(), token.size()));
    if (processor_.IsUnknown(id)) return std::nullopt;
    return id;
  }
  std::string id_to_token(TokenId id) const override {
    if (const AddedToken* token = added_.by_id(id)) return token->content;
    return id >= 0 && id < pieces_ ? processor_.IdToPiece(id) : std::string();
  }
  bool is_special(TokenId id) const noexcept override {
    const AddedToken* token = added_.by_id(id);
    return token != nullptr && token->special;
  }
  std::string token_bytes(TokenId id) const override {
    check(id);
    std::string piece = id_to_token(id);
    if (added_.by_id(id) != nullptr) return piece;
    if (processor_.IsByte(id)) {
      if (const int byte = fallback_byte(piece); byte >= 0) return std::string(1, static_cast<char>(byte));
    }
    for (size_t at = piece.find(kMetaspace); at != std::string::npos; at = piece.find(kMetaspace, at + 1)) {
      piece.replace(at, kMetaspace.size(), " ");
    }
    return piece;
  }
  const SpecialTokens& special_tokens() const noexcept override { return special_; }
  std::string describe() const override { return cat("sentencepiece, ", vocab_size(), " tokens"); }

 private:
  void read_config(const Json& config) {
    if (!config.is_object()) return;
    add_bos_ = bool_field(config, "add_bos_token", true);
    add_eos_ = bool_field(config, "add_eos_token", false);
    legacy_ = bool_field(config, "legacy", true);
    if (const Json* decoder = config.find("added_tokens_decoder"); decoder != nullptr && decoder->is_object()) {
      for (const auto& [key, spec] : decoder->as_object()) {
        AddedToken token = read_added_token(spec);
        const auto end = key.data() + key.size();
        if (std::from_chars(key.data(), end, token.id).ptr != end || token.id < 0 || token.id > Vocab::kMaxId) {
          fail(Code::kInvalidInput, "added_tokens_decoder: ", printable(key), " is not a token id");
        }
        token.normalized = false;  // there is no normalizer outside the library
        std::string content = token.content;
        added_.add(std::move(token), std::move(content));
      }
    }
    for (const auto& [key, slot] : {std::pair{"bos_token", &special_.bos}, {"eos_token", &special_.eos},
                                    {"pad_token", &special_.pad}, {"unk_token", &special_.unk}}) {
      if (const auto id = token_to_id(token_content(config.find(key)))) *slot = id;
    }
  }

  void append_text(std::string_view text, bool dummy_prefix, std::vector<TokenId>& ids) const {
    std::vector<int> run;
    if (dummy_prefix || !special_.unk) {
      if (!processor_.Encode(absl::string_view(text.data(), text.size()), &run).ok()) {
        fail(Code::kInternal, "sentencepiece could not encode");
      }
      ids.insert(ids.end(), run.begin(), run.end());
      return;
    }
    // The library always puts the dummy space in front; the unknown piece takes it up and is cut off again.
    const std::string unk = processor_.IdToPiece(*special_.unk);
    const std::string both = cat(unk, text);
    std::vector<int> head;
    if (!processor_.Encode(both, &run).ok() || !processor_.Encode(unk, &head).ok() || run.size() < head.size()) {
      fail(Code::kInternal, "sentencepiece could not encode");
    }
    ids.insert(ids.end(), run.begin() + static_cast<ptrdiff_t>(head.size()), run.end());
  }

  void check(TokenId id) const {
    if (id < 0 || static_cast<size_t>(id) >= vocab_size()) {
      fail(Code::kInvalidInput, "token id ", id, " is out of range: the vocabulary has ", vocab_size(), " ids");
    }
  }

  sentencepiece::SentencePieceProcessor processor_;
  int pieces_ = 0;
  AddedVocabulary added_;
  SpecialTokens special_;
  bool add_bos_ = true, add_eos_ = false, legacy_ = true;
};

}  // namespace
}  // namespace tok

std::unique_ptr<Tokenizer> load_tokenizer_spm(std::string_view model_bytes, const Json& config) {
  return std::make_unique<tok::SentencePieceTokenizer>(model_bytes, config);
}

}  // namespace mainspring
