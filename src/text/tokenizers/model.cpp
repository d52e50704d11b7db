// The "model" member of tokenizer.json.
#include "text/tokenizers/model.h"

#include "base/str.h"
#include "text/tokenizers/json_fields.h"

namespace mainspring::tok {
namespace {

Vocab read_vocab(const Json& spec) {
  const Json::Object& entries = spec.at("vocab").as_object();
  size_t bytes = 0;
  for (const auto& [token, id] : entries) bytes += token.size();
  Vocab vocab;
  vocab.reserve(entries.size(), bytes);
  for (const auto& [token, id] : entries) vocab.set(token, token_id_of(id, "vocab"));
  return vocab;
}

// Merges are "a b" (older) or ["a", "b"].
MergeList read_merges(const Json& spec) {
  MergeList merges;
  const Json::Array& items = spec.at("merges").as_array();
  merges.reserve(items.size());
  for (const Json& item : items) {
    if (item.is_array()) {
      if (item.size() != 2) fail(Code::kInvalidInput, "merges: entry ", merges.size(), " has ", item.size(), " parts");
      merges.emplace_back(item.as_array()[0].as_string(), item.as_array()[1].as_string());
      continue;
    }
    const std::string_view line = item.as_string();
    if (line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      fail(Code::kInvalidInput, "merges: entry ", merges.size(), " (", printable(line), ") is not two parts");
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

ModelPtr make_bpe_model(const Json& spec, bool raw_bytes) {
  if (const Json* dropout = spec.find("dropout"); dropout != nullptr && !dropout->is_null() &&
                                                  dropout->as_double() != 0.0) {
    fail(Code::kUnsupported, "BPE dropout ", dropout->as_double(), ": encoding at random is for training only");
  }
  BpeOptions options;
  options.continuing_prefix = string_field(spec, "continuing_subword_prefix", "");
  options.end_suffix = string_field(spec, "end_of_word_suffix", "");
  options.byte_fallback = bool_field(spec, "byte_fallback", false);
  options.fuse_unk = bool_field(spec, "fuse_unk", false);
  options.ignore_merges = bool_field(spec, "ignore_merges", false);
  if (const Json* unk = spec.find("unk_token"); unk != nullptr && !unk->is_null()) options.unk_token = unk->as_string();
  options.raw_bytes = raw_bytes && options.continuing_prefix.empty() && options.end_suffix.empty();
  return make_bpe(read_vocab(spec), read_merges(spec), std::move(options));
}

ModelPtr make_unigram_model(const Json& spec) {
  const Json::Array& items = spec.at("vocab").as_array();
  Vocab vocab;
  std::vector<double> scores;
  size_t bytes = 0;
  for (const Json& item : items) bytes += item.size() == 2 && item.is_array() ? item.as_array()[0].as_string().size() : 0;
  vocab.reserve(items.size(), bytes);
  for (const Json& item : items) {
    if (!item.is_array() || item.size() != 2) fail(Code::kInvalidInput, "unigram: vocab entry ", scores.size(),
                                                   " is not a pair of token and score");
    vocab.set(item.as_array()[0].as_string(), static_cast<int32_t>(scores.size()));
    scores.push_back(item.as_array()[1].as_double());
  }
  UnigramOptions options;
  if (const Json* unk = spec.find("unk_id"); unk != nullptr && !unk->is_null()) options.unk_id = token_id_of(*unk, "unk_id");
  options.byte_fallback = bool_field(spec, "byte_fallback", false);
  return make_unigram(std::move(vocab), std::move(scores), options);
}

std::string type_of(const Json& spec) {
  if (const Json* type = spec.find("type")) return type->as_string();
  if (spec.contains("merges")) return "BPE";
  if (spec.contains("max_input_chars_per_word")) return "WordPiece";
  if (const Json* vocab = spec.find("vocab"); vocab != nullptr && vocab->is_array()) return "Unigram";
  return "WordLevel";
}

}  // namespace

ModelPtr make_model(const Json& spec, bool raw_bytes) {
  const std::string type = type_of(spec);
  if (type == "BPE") return make_bpe_model(spec, raw_bytes);
  if (type == "Unigram") return make_unigram_model(spec);
  if (type == "WordPiece") {
    return make_word_piece(read_vocab(spec), string_field(spec, "unk_token", "[UNK]"),
                           string_field(spec, "continuing_subword_prefix", "##"),
                           size_field(spec, "max_input_chars_per_word", 100));
  }
  if (type == "WordLevel") return make_word_level(read_vocab(spec), string_field(spec, "unk_token", "<unk>"));
  fail(Code::kUnsupported, "unknown tokenizer model type ", printable(type));
}

}  // namespace mainspring::tok
