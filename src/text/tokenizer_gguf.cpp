// The tokenizer inside a GGUF file.
//
// Control tokens (and the unknown token of "llama") are special and found in the text; user-defined tokens are found
// too but are ordinary text to the decoder. bos and eos are put around a text as add_bos and add_eos say; where the file
// is silent the model's own habit counts: bos for "llama" and some "gpt2" pre-tokenizers, [CLS] and [SEP] for "bert",
// eos for "t5".
#include <algorithm>
#include <bit>

#include "base/str.h"
#include "text/tokenizers/gguf_pre.h"
#include "text/tokenizers/pipeline.h"

namespace mainspring {
namespace tok {
namespace {

enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

int32_t type_of(const GgufVocab& v, size_t id) { return v.token_types.empty() ? int32_t{kNormal} : v.token_types[id]; }

void check(const GgufVocab& v) {
  const size_t n = v.tokens.size();
  if (n == 0) fail(Code::kInvalidInput, "tokenizer.ggml.tokens is empty");
  if (!v.token_types.empty() && v.token_types.size() != n) {
    fail(Code::kInvalidInput, "tokenizer.ggml.token_type has ", v.token_types.size(), " entries, expected ", n);
  }
  if (!v.scores.empty() && v.scores.size() != n) {
    fail(Code::kInvalidInput, "tokenizer.ggml.scores has ", v.scores.size(), " entries, expected ", n);
  }
  for (const auto& [name, id] : {std::pair{"bos", v.bos}, {"eos", v.eos}, {"padding", v.pad}, {"unknown", v.unk}}) {
    if (id && (*id < 0 || static_cast<size_t>(*id) >= n)) {
      fail(Code::kInvalidInput, "tokenizer.ggml.", name, "_token_id is ", *id, ", the vocabulary has ", n, " tokens");
    }
  }
}

// The vocabulary with `spell(id)` as token texts.
template <class Spell>
Vocab make_vocab(const GgufVocab& v, Spell&& spell) {
  Vocab vocab;
  size_t bytes = 0;
  for (const std::string& token : v.tokens) bytes += token.size() + 2;
  vocab.reserve(v.tokens.size(), bytes);
  for (size_t id = 0; id < v.tokens.size(); ++id) vocab.set(spell(id), static_cast<int32_t>(id));
  return vocab;
}

Vocab make_vocab(const GgufVocab& v) {
  return make_vocab(v, [&](size_t id) -> const std::string& { return v.tokens[id]; });
}

void add_special(PipelineParts& parts, const GgufVocab& v) {
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const int32_t type = type_of(v, id);
    const bool unknown_text = type == kUnknown && v.model != "gpt2";
    if (type != kControl && type != kUserDefined && !unknown_text) continue;
    if (v.tokens[id].empty()) continue;
    AddedToken token;
    token.content = v.tokens[id];
    token.id = static_cast<int32_t>(id);
    token.special = type != kUserDefined;
    parts.add_token_as_is(std::move(token));
  }
  parts.special = {v.bos, v.eos, v.pad, v.unk};
}

void add_surroundings(PipelineParts& parts, std::optional<TokenId> bos, std::optional<TokenId> eos, bool add_bos,
                      bool add_eos) {
  std::vector<int32_t> before, after;
  if (add_bos && bos) before.push_back(*bos);
  if (add_eos && eos) after.push_back(*eos);
  parts.post_processor = make_surrounding_processor(std::move(before), std::move(after));
}

NormalizerPtr spaces_to_marks(bool prefix) {
  std::vector<NormalizerPtr> steps;
  if (prefix) steps.push_back(make_prepend_normalizer(std::string(kMetaspace)));
  steps.push_back(make_replace_normalizer(Regex::literal(" "), std::string(kMetaspace)));
  return make_sequence_normalizer(std::move(steps));
}

PipelineParts byte_level_bpe(const GgufVocab& v) {
  const GgufPre& pre = find_gguf_pre(v.pre);
  PipelineParts parts;
  std::vector<PreTokenizerPtr> steps;
  for (const std::string_view pattern : pre.patterns) {
    steps.push_back(make_isolated_split(Regex(pattern, RegexSyntax::kOniguruma)));
  }
  const bool raw_text = pre.has(GgufPre::kRawText);
  BpeOptions options;
  options.ignore_merges = pre.has(GgufPre::kIgnoreMerges);
  options.raw_bytes = !raw_text;
  options.byte_fallback = raw_text;
  if (raw_text) {
    parts.normalizer = spaces_to_marks(v.add_space_prefix.value_or(false));
    parts.decoder = make_sentencepiece_decoder(v.add_space_prefix.value_or(false));
  } else {
    if (pre.has(GgufPre::kNfc)) parts.normalizer = make_nfc_normalizer();
    parts.decoder = make_byte_level_decoder();
  }
  parts.pre_tokenizer = make_sequence_pre_tokenizer(std::move(steps));
  MergeList merges;
  merges.reserve(v.merges.size());
  for (const std::string& line : v.merges) {
    // A part may itself start with a space, so the separator is never the first byte.
    const size_t space = line.find(' ', 1);
    if (space == std::string::npos) {
      fail(Code::kInvalidInput, "tokenizer.ggml.merges: entry ", merges.size(), " (", printable(line), ") is not two parts");
    }
    merges.emplace_back(std::string_view(line).substr(0, space), std::string_view(line).substr(space + 1));
  }
  parts.model = make_bpe(make_vocab(v), merges, std::move(options));
  add_special(parts, v);
  add_surroundings(parts, v.bos, v.eos, v.add_bos.value_or(pre.has(GgufPre::kAddBos)), v.add_eos.value_or(false));
  return parts;
}

// Larger scores first: a float's bits, made to sort downwards as an unsigned number.
uint32_t score_priority(float score) noexcept {
  const auto bits = std::bit_cast<uint32_t>(score);
  return (bits & 0x80000000U) != 0 ? bits : ~(bits | 0x80000000U);
}

PipelineParts sentencepiece_bpe(const GgufVocab& v) {
  if (v.scores.empty()) fail(Code::kInvalidInput, "tokenizer.ggml.scores is missing: the llama tokenizer needs it");
  PipelineParts parts;
  const bool prefix = v.add_space_prefix.value_or(true);
  const size_t n = v.tokens.size();
  RankedTokens ranks;
  ranks.priority.resize(n);
  ranks.excluded.resize(n);
  bool has_unused = false;
  for (size_t id = 0; id < n; ++id) {
    const int32_t type = type_of(v, id);
    ranks.priority[id] = score_priority(v.scores[id]);
    ranks.excluded[id] = type == kControl || type == kByte || type == kUnknown;
    has_unused |= type == kUnused;
  }
  if (has_unused) {
    ranks.unused.resize(n);
    for (size_t id = 0; id < n; ++id) ranks.unused[id] = type_of(v, id) == kUnused;
  }
  BpeOptions options;
  options.byte_fallback = true;
  options.fuse_unk = true;
  for (size_t id = 0; id < n && !options.unk_token; ++id) {
    if (type_of(v, id) == kUnknown || (v.unk && static_cast<size_t>(*v.unk) == id)) options.unk_token = v.tokens[id];
  }
  parts.normalizer = spaces_to_marks(prefix);
  parts.decoder = make_sentencepiece_decoder(prefix);
  parts.model = make_ranked_bpe(make_vocab(v), std::move(ranks), std::move(options));
  add_special(parts, v);
  add_surroundings(parts, v.bos, v.eos, v.add_bos.value_or(true), v.add_eos.value_or(false));
  return parts;
}

PipelineParts word_piece(const GgufVocab& v) {
  PipelineParts parts;
  // The file marks words by U+2581 in front; WordPiece marks continuations by "##".
  const auto spell = [&](size_t id) -> std::string {
    const std::string& token = v.tokens[id];
    if (type_of(v, id) != kNormal || (token.starts_with('[') && token.ends_with(']'))) return token;
    return token.starts_with(kMetaspace) ? token.substr(kMetaspace.size()) : cat("##", token);
  };
  Vocab vocab = make_vocab(v, spell);
  const std::string unk = v.unk ? v.tokens[static_cast<size_t>(*v.unk)] : "[UNK]";
  const auto named = [&](std::string_view text, std::optional<TokenId> otherwise) -> std::optional<TokenId> {
    if (const int32_t id = vocab.find(text); id >= 0) return id;
    return otherwise;
  };
  const std::optional<TokenId> cls = named("[CLS]", v.bos), sep = named("[SEP]", v.eos);
  parts.normalizer = make_bert_normalizer(true);
  parts.pre_tokenizer = make_bert_pre_tokenizer();
  parts.decoder = make_word_piece_decoder();
  parts.model = make_word_piece(std::move(vocab), unk, "##", 100);
  add_special(parts, v);
  add_surroundings(parts, cls, sep, v.add_bos.value_or(true), v.add_eos.value_or(true));
  return parts;
}

PipelineParts unigram(const GgufVocab& v) {
  if (v.scores.empty()) fail(Code::kInvalidInput, "tokenizer.ggml.scores is missing: the t5 tokenizer needs it");
  PipelineParts parts;
  UnigramOptions options;
  options.unk_id = v.unk;
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    if (!options.unk_id && type_of(v, id) == kUnknown) options.unk_id = static_cast<int32_t>(id);
    options.byte_fallback |= type_of(v, id) == kByte;
  }
  std::vector<NormalizerPtr> steps;
  if (!v.precompiled_charsmap.empty()) steps.push_back(make_precompiled_normalizer(v.precompiled_charsmap));
  if (v.remove_extra_whitespaces.value_or(true)) {
    steps.push_back(make_replace_normalizer(Regex("^ +| +$", RegexSyntax::kPerl), ""));
    steps.push_back(make_replace_normalizer(Regex(" {2,}", RegexSyntax::kOniguruma), " "));
  }
  const bool prefix = v.add_space_prefix.value_or(true);
  parts.normalizer = make_sequence_normalizer(std::move(steps));
  parts.pre_tokenizer = make_metaspace_pre_tokenizer(prefix);
  parts.decoder = make_sentencepiece_decoder(prefix);
  parts.model = make_unigram(make_vocab(v), std::vector<double>(v.scores.begin(), v.scores.end()), options);
  add_special(parts, v);
  add_surroundings(parts, v.bos, v.eos, v.add_bos.value_or(false), v.add_eos.value_or(true));
  return parts;
}

}  // namespace
}  // namespace tok

std::unique_ptr<Tokenizer> load_tokenizer_gguf(const GgufVocab& vocab) {
  tok::check(vocab);
  if (vocab.model == "gpt2") return tok::make_pipeline_tokenizer(tok::byte_level_bpe(vocab));
  if (vocab.model == "llama") return tok::make_pipeline_tokenizer(tok::sentencepiece_bpe(vocab));
  if (vocab.model == "bert") return tok::make_pipeline_tokenizer(tok::word_piece(vocab));
  if (vocab.model == "t5") return tok::make_pipeline_tokenizer(tok::unigram(vocab));
  fail(Code::kUnsupported, "tokenizer.ggml.model ", printable(vocab.model),
       " is not known; expected llama, gpt2, bert or t5");
}

}  // namespace mainspring
