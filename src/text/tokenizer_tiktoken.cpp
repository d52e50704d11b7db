// tiktoken rank files: "base64-of-token rank" per line.
//
// The file holds neither the split expression nor the special tokens. Both come from `config` ("pattern";
// "added_tokens_decoder", bos_token, ...); without a pattern the class name or the size of the vocabulary tells which
// family it is.
#include <charconv>

#include "base/str.h"
#include "text/tokenizers/base64.h"
#include "text/tokenizers/byte_alphabet.h"
#include "text/tokenizers/gguf_pre.h"
#include "text/tokenizers/json_fields.h"
#include "text/tokenizers/pipeline.h"
#include "text/tokenizers/special_tokens.h"

namespace mainspring {
namespace tok {
namespace {

struct Ranks {
  Vocab vocab;
  size_t highest = 0;
};

Ranks read_ranks(std::string_view file) {
  Ranks out;
  size_t number = 0;
  std::string spelled;
  for (std::string_view line : split(file, '\n')) {
    ++number;
    line = trim(line);
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    int32_t rank = -1;
    std::optional<std::string> bytes;
    if (space != std::string_view::npos) {
      const std::string_view text = trim(line.substr(space + 1));
      const auto end = text.data() + text.size();
      if (std::from_chars(text.data(), end, rank).ptr == end) bytes = decode_base64(line.substr(0, space));
    }
    if (!bytes || bytes->empty()) {
      fail(Code::kInvalidInput, "tiktoken file: line ", number, " (", printable(line), ") is not \"base64 rank\"");
    }
    spelled.clear();
    append_as_alphabet(spelled, *bytes);
    out.vocab.set(spelled, rank);
    out.highest = std::max(out.highest, static_cast<size_t>(rank));
  }
  if (out.vocab.count() == 0) fail(Code::kInvalidInput, "tiktoken file: no ranks");
  return out;
}

std::string pattern_for(const Json& config, size_t tokens) {
  if (const Json* pattern = config.find("pattern")) return pattern->as_string();
  if (const Json* pattern = config.find("pat_str")) return pattern->as_string();
  const std::string name = to_lower_ascii(config.is_object() ? string_field(config, "tokenizer_class", "") : "");
  if (name.starts_with("qwen")) return std::string(kQwen2Pattern);
  if (name.starts_with("tiktokentokenizer") || name.starts_with("kimi")) return std::string(kKimiPattern);
  if (tokens > 190'000 && tokens < 200'100) return std::string(kGpt4oPattern);  // o200k
  if (tokens < 51'000) return std::string(kGpt2Pattern);                        // gpt2, r50k, p50k
  return std::string(kLlama3Pattern);                                           // cl100k and Llama 3
}

}  // namespace
}  // namespace tok

std::unique_ptr<Tokenizer> load_tokenizer_tiktoken(std::string_view ranks, const Json& config) {
  using namespace tok;
  Ranks file = read_ranks(ranks);
  PipelineParts parts;
  std::vector<PreTokenizerPtr> steps;
  steps.push_back(make_isolated_split(Regex(pattern_for(config, file.vocab.count()), RegexSyntax::kPerl)));
  steps.push_back(make_byte_level_pre_tokenizer(false, false));
  parts.pre_tokenizer = make_sequence_pre_tokenizer(std::move(steps));
  parts.decoder = make_byte_level_decoder();
  RankedTokens order;
  order.priority.resize(file.vocab.id_limit());
  for (size_t id = 0; id < order.priority.size(); ++id) order.priority[id] = static_cast<uint32_t>(id);
  BpeOptions options;
  options.ignore_merges = true;  // a whole piece that is a token stays whole
  parts.model = make_ranked_bpe(std::move(file.vocab), std::move(order), std::move(options));
  if (config.is_object()) {
    if (const Json* decoder = config.find("added_tokens_decoder"); decoder != nullptr && decoder->is_object()) {
      for (const auto& [key, spec] : decoder->as_object()) {
        AddedToken token = read_added_token(spec);
        const auto end = key.data() + key.size();
        if (std::from_chars(key.data(), end, token.id).ptr != end || token.id < 0 || token.id > Vocab::kMaxId) {
          fail(Code::kInvalidInput, "added_tokens_decoder: ", printable(key), " is not a token id");
        }
        parts.add_token_as_is(std::move(token));
      }
    }
    read_special_tokens(parts, config);
    const bool bos = bool_field(config, "add_bos_token", false) && parts.special.bos;
    const bool eos = bool_field(config, "add_eos_token", false) && parts.special.eos;
    parts.post_processor = make_surrounding_processor(bos ? std::vector<int32_t>{*parts.special.bos} : std::vector<int32_t>{},
                                                      eos ? std::vector<int32_t>{*parts.special.eos} : std::vector<int32_t>{});
  }
  return make_pipeline_tokenizer(std::move(parts));
}

}  // namespace mainspring
