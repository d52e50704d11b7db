// Hostile tokenizer files: tokenizer.json (and a tokenizer_config.json inside it), tiktoken ranks, GGUF vocabularies.
// Whatever loads must also encode and decode without a crash; only mainspring::Error may come out.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/errors.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

using namespace mainspring;

namespace {

void use(const Tokenizer& t, std::string_view text) {
  const std::vector<TokenId> ids = t.encode(text);
  for (const bool parse : {false, true}) t.encode(text, {.add_special_tokens = false, .parse_special_tokens = parse});
  t.decode(ids, true);
  Detokenizer stream(t, {"ab", "</s>"});
  for (size_t i = 0; i < ids.size() && i < 64; ++i) stream.push(ids[i]);
  stream.finish();
  for (TokenId id = 0; id < 20 && static_cast<size_t>(id) < t.vocab_size(); ++id) t.token_bytes(id);
}

// {"gguf": {"model": ..., "tokens": [...], ...}} is read as a GGUF vocabulary.
GgufVocab vocab_of(const Json& dump) {
  GgufVocab v;
  v.model = dump.at("model").as_string();
  if (const Json* pre = dump.find("pre")) v.pre = pre->as_string();
  for (const Json& t : dump.at("tokens").as_array()) v.tokens.push_back(t.as_string());
  if (const Json* s = dump.find("scores")) {
    for (const Json& x : s->as_array()) v.scores.push_back(static_cast<float>(x.as_double()));
  }
  if (const Json* s = dump.find("types")) {
    for (const Json& x : s->as_array()) v.token_types.push_back(static_cast<int32_t>(x.as_int() & 7));
  }
  if (const Json* s = dump.find("merges")) {
    for (const Json& x : s->as_array()) v.merges.push_back(x.as_string());
  }
  if (const Json* s = dump.find("unk")) v.unk = static_cast<TokenId>(s->as_int() & 0xFFFFFF);
  if (const Json* s = dump.find("charsmap")) v.precompiled_charsmap = s->as_string();
  return v;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  // The part behind the first NUL is the text to encode.
  const size_t cut = all.find('\0');
  const std::string_view file = all.substr(0, cut);
  const std::string_view text = cut == std::string_view::npos ? "Hello, ab 12\xFF \xE4\xBD\xA0" : all.substr(cut + 1);
  try {
    if (!file.starts_with('{')) {
      use(*load_tokenizer_tiktoken(file, Json()), text);
      return 0;
    }
    const Json spec = parse_json(file, "fuzz");
    const Json* config = spec.find("config");
    if (const Json* gguf = spec.find("gguf")) {
      use(*load_tokenizer_gguf(vocab_of(*gguf)), text);
    } else {
      use(*load_tokenizer_json(spec, config != nullptr ? *config : Json()), text);
    }
  } catch (const Error&) {
  }
  return 0;
}
