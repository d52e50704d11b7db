// tokenizer.json of the Hugging Face `tokenizers` library.
//
// What the file says decides: its post-processor alone puts bos/eos around a text, as in the library. The members
// add_bos_token, add_eos_token and legacy of tokenizer_config.json are instructions for building such a file from a
// sentencepiece model, so they are not applied again here; truncation and padding are the caller's business.
#include <algorithm>

#include "base/str.h"
#include "text/tokenizers/json_fields.h"
#include "text/tokenizers/pipeline.h"
#include "text/tokenizers/special_tokens.h"

namespace mainspring {
namespace tok {
namespace {

const Json& member_or_null(const Json& object, std::string_view key) {
  static const Json null;
  const Json* v = object.find(key);
  return v == nullptr ? null : *v;
}

// Runs a step and puts its name in front of what it throws.
template <class F>
auto step(std::string_view name, F&& f) {
  try {
    return f();
  } catch (const Error& e) {
    throw e.in(name);
  }
}

}  // namespace

AddedToken read_added_token(const Json& spec) {
  AddedToken token;
  token.content = spec.at("content").as_string();
  token.single_word = bool_field(spec, "single_word", false);
  token.lstrip = bool_field(spec, "lstrip", false);
  token.rstrip = bool_field(spec, "rstrip", false);
  token.special = bool_field(spec, "special", false);
  token.normalized = bool_field(spec, "normalized", !token.special);
  return token;
}

void add_config_tokens(PipelineParts& parts, const Json& config) {
  int32_t next_id = parts.next_added_id();
  std::vector<std::pair<int64_t, AddedToken>> listed;
  if (const Json* decoder = config.find("added_tokens_decoder"); decoder != nullptr && decoder->is_object()) {
    for (const auto& [key, spec] : decoder->as_object()) {
      int64_t id = -1;
      std::from_chars(key.data(), key.data() + key.size(), id);
      listed.emplace_back(id, read_added_token(spec));
    }
  }
  std::sort(listed.begin(), listed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, token] : listed) {
    if (parts.added.find(token.content) < 0) parts.add_token(std::move(token), next_id);
  }
  for (const std::string_view key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token",
                                     "mask_token"}) {
    AddedToken token;
    token.content = token_content(config.find(key));
    token.special = true;
    if (!token.content.empty() && parts.added.find(token.content) < 0) parts.add_token(std::move(token), next_id);
  }
}

void read_special_tokens(PipelineParts& parts, const Json& config) {
  const auto find = [&](std::string_view key, std::optional<TokenId>& out) {
    if (const auto id = parts.find(token_content(config.find(key)))) out = id;
  };
  find("bos_token", parts.special.bos);
  find("eos_token", parts.special.eos);
  find("pad_token", parts.special.pad);
  find("unk_token", parts.special.unk);
}

}  // namespace tok

std::unique_ptr<Tokenizer> load_tokenizer_json(const Json& tokenizer, const Json& config) {
  using namespace tok;
  if (!tokenizer.is_object() || !tokenizer.contains("model")) {
    fail(Code::kInvalidInput, "tokenizer.json: expected an object with a \"model\", found ", kind_text(tokenizer));
  }
  PipelineParts parts;
  const auto member = [&](std::string_view key) -> const Json& { return member_or_null(tokenizer, key); };
  parts.normalizer = step("normalizer", [&] { return make_normalizer(member("normalizer")); });
  parts.pre_tokenizer = step("pre_tokenizer", [&] { return make_pre_tokenizer(member("pre_tokenizer")); });
  const Json& model = tokenizer.at("model");
  const std::string unk = string_field(model, "unk_token", "");
  const bool bpe = model.contains("merges");
  const bool plain = string_field(model, "continuing_subword_prefix", "").empty() &&
                     string_field(model, "end_of_word_suffix", "").empty() &&
                     !bool_field(model, "byte_fallback", false);
  const bool raw = bpe && plain && parts.pre_tokenizer && parts.pre_tokenizer->skip_final_byte_alphabet();
  parts.model = step("model", [&] { return make_model(model, raw); });
  parts.post_processor = step("post_processor", [&] { return make_post_processor(member("post_processor")); });
  parts.decoder = step("decoder", [&] { return make_decoder(member("decoder")); });
  step("added_tokens", [&] {
    if (member("added_tokens").is_null()) return;
    int32_t next_id = parts.next_added_id();
    for (const Json& spec : member("added_tokens").as_array()) parts.add_token(read_added_token(spec), next_id);
  });
  if (!unk.empty()) parts.special.unk = parts.find(unk);
  if (config.is_object()) {
    step("tokenizer_config.json", [&] {
      add_config_tokens(parts, config);
      read_special_tokens(parts, config);
    });
  }
  return make_pipeline_tokenizer(std::move(parts));
}

}  // namespace mainspring
