// Finds tokenizer and template; turns GGUF metadata into the tokenizer's plain data.
#include "api/model_text.h"

#include <algorithm>
#include <filesystem>

#include "base/mapped_file.h"
#include "base/str.h"
#include "weights/gguf.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {

namespace {

std::optional<TokenId> id_of(const GgufMetadata& m, std::string_view key) {
  const auto v = m.find_int(key);
  return v ? std::optional(static_cast<TokenId>(*v)) : std::nullopt;
}

GgufVocab gguf_vocab(const GgufMetadata& m) {
  GgufVocab v;
  v.model = m.find_string("tokenizer.ggml.model").value_or("");
  v.pre = m.find_string("tokenizer.ggml.pre").value_or("");
  const auto copy = [&](std::string_view key, std::vector<std::string>& out) {
    m.each_string(key, [&](uint64_t, std::string_view s) {
      out.emplace_back(s);
      return true;
    });
  };
  copy("tokenizer.ggml.tokens", v.tokens);
  copy("tokenizer.ggml.merges", v.merges);
  v.scores = m.find_floats("tokenizer.ggml.scores").value_or(std::vector<float>{});
  v.token_types = m.find_ints("tokenizer.ggml.token_type").value_or(std::vector<int32_t>{});
  v.bos = id_of(m, "tokenizer.ggml.bos_token_id");
  v.eos = id_of(m, "tokenizer.ggml.eos_token_id");
  v.pad = id_of(m, "tokenizer.ggml.padding_token_id");
  v.unk = id_of(m, "tokenizer.ggml.unknown_token_id");
  v.add_bos = m.find_bool("tokenizer.ggml.add_bos_token");
  v.add_eos = m.find_bool("tokenizer.ggml.add_eos_token");
  v.add_space_prefix = m.find_bool("tokenizer.ggml.add_space_prefix");
  v.remove_extra_whitespaces = m.find_bool("tokenizer.ggml.remove_extra_whitespaces");
  if (const auto map = m.find_ints("tokenizer.ggml.precompiled_charsmap"))  // "t5": sentencepiece's normalisation table
    for (int32_t byte : *map) v.precompiled_charsmap.push_back(static_cast<char>(byte));
  return v;
}

// A template is a string, or a list of named ones of which "default" is for chat.
std::string template_of(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (!value.is_array()) return {};
  for (const Json& item : value.as_array())
    if (const Json* name = item.find("name"); name && name->is_string() && name->as_string() == "default")
      if (const Json* text = item.find("template"); text && text->is_string()) return text->as_string();
  return {};
}

std::string files_template(const ModelFiles& files, const std::string& where) {
  if (auto jinja = files("chat_template.jinja")) return std::move(*jinja);
  for (const char* file : {"chat_template.json", "tokenizer_config.json"}) {
    const auto text = files(file);
    if (!text) continue;
    const Json config = parse_json(*text, where + "/" + file);
    if (const Json* t = config.find("chat_template")) return template_of(*t);
  }
  return {};
}

ModelFiles files_of_packed(const PackedCheckpoint& packed) {
  return [&packed](std::string_view name) {
    const auto bytes = packed.text(name);
    return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
  };
}

void load_files(const ModelFiles& files, const std::string& where, ModelText& text) {
  text.tokenizer = load_tokenizer_files(files, where);
  text.template_source = files_template(files, where);
}

}  // namespace

ModelText load_model_text(const std::string& path, const Checkpoint* checkpoint, bool parse_template) {
  ModelText text;
  if (checkpoint && checkpoint->gguf()) {
    const GgufMetadata& m = *checkpoint->gguf();
    text.tokenizer = load_tokenizer_gguf(gguf_vocab(m));
    text.template_source = m.find_string("tokenizer.chat_template").value_or("");
  } else if (checkpoint && checkpoint->packed()) {
    load_files(files_of_packed(*checkpoint->packed()), path, text);
  } else {
    load_files(files_of_folder(path), path, text);
  }
  if (parse_template && !text.template_source.empty()) text.chat_template.emplace(text.template_source);
  return text;
}

std::vector<std::pair<std::string, std::string>> model_text_files(const std::string& folder) {
  std::vector<std::pair<std::string, std::string>> read;
  const ModelFiles files = files_of_folder(folder);
  const ModelFiles recording = [&](std::string_view name) {
    auto bytes = files(name);
    const bool known = std::any_of(read.begin(), read.end(), [&](const auto& f) { return f.first == name; });
    if (bytes && !known) read.emplace_back(name, *bytes);
    return bytes;
  };
  ModelText text;
  load_files(recording, folder, text);
  return read;
}

bool text_is_in_file(const std::string& path) {
  if (path.ends_with(".gguf")) return true;
  std::error_code ec;
  return std::filesystem::is_regular_file(path, ec) && has_packed_magic(MappedFile(path));
}

std::vector<TokenId> ModelText::tokenize(std::string_view text, bool add_special, bool parse_special) const {
  return tokenizer->encode(text, {.add_special_tokens = add_special, .parse_special_tokens = parse_special});
}
std::string ModelText::detokenize(std::span<const TokenId> tokens, bool skip_special) const {
  return tokenizer->decode(tokens, skip_special);
}
std::string ModelText::token_text(TokenId token) const { return tokenizer->id_to_token(token); }

}  // namespace mainspring
