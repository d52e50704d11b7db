// The tokenizer made of replaceable steps.
#include "text/tokenizers/pipeline.h"

#include <algorithm>
#include <mutex>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizers/byte_alphabet.h"

namespace mainspring::tok {

int32_t PipelineParts::next_added_id() const {
  const auto count = static_cast<int32_t>(model->vocab().count());
  return added.highest_id() >= count || (count == 0 && !added.empty()) ? added.highest_id() + 1 : count;
}

int32_t PipelineParts::add_token(AddedToken token, int32_t& next_id) {
  if (token.content.empty()) return -1;
  token.id = added.find(token.content);
  if (token.id < 0) token.id = model->vocab().find(token.content);
  if (token.id < 0) token.id = next_id++;
  if (token.id > Vocab::kMaxId) fail(Code::kInvalidInput, "added token ", printable(token.content), ": id too large");
  const int32_t id = token.id;
  add_token_as_is(std::move(token));
  return id;
}

void PipelineParts::add_token_as_is(AddedToken token) {
  std::string normalized = token.content;
  if (token.normalized && normalizer) {
    RegexScratch scratch;
    NormalizedText text(token.content, 0, false);
    normalizer->apply(text, scratch);
    normalized = text.take_text();
  }
  added.add(std::move(token), std::move(normalized));
}

std::optional<TokenId> PipelineParts::find(std::string_view content) const {
  if (content.empty()) return std::nullopt;
  if (const int32_t id = added.find(content); id >= 0) return id;
  if (const int32_t id = model->vocab().find(content); id >= 0) return id;
  return std::nullopt;
}

namespace {

// Working memory is kept between calls so that the model's word cache stays warm.
class ScratchPool {
 public:
  static constexpr size_t kKept = 8;
  std::unique_ptr<ModelScratch> take(const Model& model) {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        std::unique_ptr<ModelScratch> scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
      }
    }
    return model.make_scratch();
  }
  void give_back(std::unique_ptr<ModelScratch> scratch) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKept) free_.push_back(std::move(scratch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<ModelScratch>> free_;
};

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(PipelineParts parts)
      : parts_(std::move(parts)),
        tracked_(parts_.pre_tokenizer && parts_.pre_tokenizer->needs_origins()),
        size_(std::max(parts_.model->vocab().id_limit(), static_cast<size_t>(parts_.added.highest_id() + 1))) {}

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::string repaired;
    if (!is_valid_utf8(text)) {
      repaired = replace_invalid_utf8(text);
      text = repaired;
    }
    PieceList list(tracked_);
    add_pieces(text, !options.parse_special_tokens, list);
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->apply(list);
    IdLists ids(1);
    ids[0].reserve(text.size() / 3 + 8);
    std::unique_ptr<ModelScratch> scratch = pool_.take(*parts_.model);
    for (const Piece& piece : list.pieces) {
      if (piece.id >= 0) {
        ids[0].push_back(piece.id);
      } else if (!piece.text.empty()) {
        parts_.model->tokenize(piece.text, ids[0], *scratch);
      }
    }
    pool_.give_back(std::move(scratch));
    if (!parts_.post_processor) return std::move(ids[0]);
    parts_.post_processor->apply(ids, options.add_special_tokens);
    if (ids.size() == 1) return std::move(ids[0]);
    std::vector<TokenId> all;
    for (const auto& part : ids) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens) const override {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const TokenId id : ids) {
      check(id);
      if (const AddedToken* added = parts_.added.by_id(id)) {
        const std::string& text = parts_.added.decoded(id);
        if (!(skip_special_tokens && (added->special || parts_.added.is_special_text(text)))) tokens.push_back(text);
      } else if (parts_.model->vocab().used(id)) {
        tokens.emplace_back(parts_.model->vocab().text(id));
      }
    }
    return decode_tokens(std::move(tokens));
  }

  size_t vocab_size() const noexcept override { return size_; }
  std::optional<TokenId> token_to_id(std::string_view token) const override { return parts_.find(token); }

  std::string id_to_token(TokenId id) const override {
    if (const AddedToken* added = parts_.added.by_id(id)) return added->content;
    return std::string(parts_.model->vocab().text(id));
  }

  bool is_special(TokenId id) const noexcept override {
    const AddedToken* added = parts_.added.by_id(id);
    return added != nullptr && added->special;
  }

  std::string token_bytes(TokenId id) const override {
    check(id);
    const bool added = parts_.added.by_id(id) != nullptr;
    const std::string text = added ? parts_.added.decoded(id) : std::string(parts_.model->vocab().text(id));
    if (!parts_.decoder || text.empty()) return text;
    if (parts_.decoder->byte_level()) {
      std::string bytes;
      return append_from_alphabet(bytes, text) ? bytes : text;
    }
    if (parts_.decoder->byte_fallback()) {
      if (const int byte = fallback_byte(text); byte >= 0) return std::string(1, static_cast<char>(byte));
    }
    // What the token adds behind another one, so that rules for the start of a text do not apply.
    const std::string before = decode_tokens({"a"});
    const std::string both = decode_tokens({"a", text});
    return both.starts_with(before) ? both.substr(before.size()) : text;
  }

  const SpecialTokens& special_tokens() const noexcept override { return parts_.special; }

  std::string describe() const override {
    const bool bytes = parts_.decoder && parts_.decoder->byte_level();
    const bool fallback = parts_.decoder && parts_.decoder->byte_fallback();
    return cat(parts_.model->name(), bytes ? ", byte-level" : fallback ? ", byte fallback" : "", ", ", size_, " tokens");
  }

 private:
  void check(TokenId id) const {
    if (id < 0 || static_cast<size_t>(id) >= size_) {
      fail(Code::kInvalidInput, "token id ", id, " is out of range: the vocabulary has ", size_, " ids");
    }
  }

  // Steps 1 and 2: added tokens before normalisation, the normalizer, added tokens after it.
  void add_pieces(std::string_view text, bool skip_special, PieceList& list) const {
    std::vector<AddedVocabulary::Part> parts;
    if (parts_.added.matches(false)) {
      parts_.added.split(text, false, skip_special, parts);
    } else {
      parts.push_back({0, text.size(), -1});
    }
    std::vector<AddedVocabulary::Part> inner;
    for (const auto& part : parts) {
      const std::string_view slice = text.substr(part.begin, part.end - part.begin);
      if (part.id >= 0) {
        list.pieces.push_back({slice, part.id, nullptr});
        continue;
      }
      if (slice.empty()) continue;
      Piece whole{slice, -1, nullptr};
      if (parts_.normalizer || tracked_) {
        NormalizedText normalized(slice, part.begin, tracked_);
        if (parts_.normalizer) parts_.normalizer->apply(normalized, list.scratch);
        whole = list.own(std::move(normalized));
        if (whole.text.empty()) continue;
      }
      if (!parts_.added.matches(true)) {
        list.pieces.push_back(whole);
        continue;
      }
      parts_.added.split(whole.text, true, skip_special, inner);
      for (const auto& p : inner) {
        Piece piece = PieceList::sub(whole, p.begin, p.end);
        piece.id = p.id;
        if (piece.id >= 0 || !piece.text.empty()) list.pieces.push_back(piece);
      }
    }
  }

  std::string decode_tokens(std::vector<std::string> tokens) const {
    if (tokens.empty()) return {};
    if (parts_.decoder) parts_.decoder->apply(tokens);
    std::string out;
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i != 0 && !parts_.decoder) out += ' ';
      out += tokens[i];
    }
    return out;
  }

  PipelineParts parts_;
  bool tracked_;
  size_t size_;
  mutable ScratchPool pool_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_pipeline_tokenizer(PipelineParts parts) {
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace mainspring::tok
