// Tokenizers against the goldens of tools/tokenizer_goldens.py (ids and texts of the reference libraries).
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/tokenizers/base64.h"

namespace mainspring {
namespace {

Json read_golden(const std::string& name) {
  const std::string path = cat(MAINSPRING_SOURCE_DIR, "/tests/data/tokenizers/", name);
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return parse_json(std::string(std::istreambuf_iterator<char>(in), {}), path);
}

// The model that shows text and piece boundaries; see tools/tokenizer_components.py.
Json probe_model() {
  static constexpr char kHex[] = "0123456789ABCDEF";
  Json::Object vocab;
  for (int b = 0; b < 256; ++b) vocab.emplace_back(cat("<0x", kHex[b >> 4], kHex[b & 15], ">"), Json(b));
  return Json::object({{"type", "BPE"},
                       {"vocab", Json(std::move(vocab))},
                       {"merges", Json::array()},
                       {"byte_fallback", true},
                       {"continuing_subword_prefix", "|"}});
}

std::string spelled(const std::vector<TokenId>& ids) {
  std::string out;
  for (const TokenId id : ids) {
    if (id < 256) {
      out.push_back(static_cast<char>(id));
    } else {
      append_utf8(out, static_cast<uint32_t>(0xE100 + id - 256));
    }
  }
  return out;
}

std::vector<TokenId> ids_of(const Json& list) {
  std::vector<TokenId> ids;
  for (const Json& id : list.as_array()) ids.push_back(static_cast<TokenId>(id.as_int()));
  return ids;
}

void expect_ids(const Json& expected, const std::vector<TokenId>& ids, const std::string& where) {
  if (expected.is_string()) {
    EXPECT_EQ(printable(spelled(ids), 4000), printable(expected.as_string(), 4000)) << where;
  } else {
    EXPECT_EQ(ids, ids_of(expected)) << where;
  }
}

void run_cases(const Tokenizer& t, const Json& test) {
  for (const Json& c : test.at("cases").as_array()) {
    const Json* text = c.find("text");
    const std::string where = cat(test.at("name").as_string(), " ", text != nullptr ? printable(text->as_string()) : "");
    std::vector<TokenId> ids;
    if (text == nullptr) {
      ids = ids_of(c.at("ids"));
    } else {
      const std::vector<TokenId> plain = t.encode(text->as_string(), {.add_special_tokens = false});
      ids = c.contains("ids") ? t.encode(text->as_string()) : plain;
      if (c.contains("ids")) expect_ids(c.at("ids"), ids, where);
      expect_ids(c.contains("plain") ? c.at("plain") : c.at("ids"), plain, where);
    }
    for (const bool skip : {false, true}) {
      const Json* expected = c.find(skip ? "skipped" : "decoded");
      if (expected == nullptr) continue;
      EXPECT_EQ(t.decode(ids, skip), expected->as_string()) << where;
    }
  }
}

void run_tokenizer_json(const std::string& file, size_t at_least) {
  const Json golden = read_golden(file);
  const Json::Array& tests = golden.at("tests").as_array();
  EXPECT_GE(tests.size(), at_least);
  for (const Json& test : tests) {
    Json spec = test.at("tokenizer");
    if (spec.at("model").is_string()) spec.set("model", probe_model());
    run_cases(*load_tokenizer_json(spec, Json()), test);
  }
}

TEST(TokenizerGoldens, EveryNormalizerPreTokenizerAndPostProcessor) { run_tokenizer_json("components.json", 75); }
TEST(TokenizerGoldens, EveryModel) { run_tokenizer_json("models.json", 10); }
TEST(TokenizerGoldens, EveryDecoder) { run_tokenizer_json("decoders.json", 15); }

GgufVocab gguf_vocab(const Json& dump) {
  GgufVocab v;
  v.model = dump.at("model").as_string();
  for (const Json& t : dump.at("tokens").as_array()) v.tokens.push_back(t.as_string());
  for (const Json& s : dump.at("scores").as_array()) v.scores.push_back(static_cast<float>(s.as_double()));
  for (const Json& t : dump.at("token_types").as_array()) v.token_types.push_back(static_cast<int32_t>(t.as_int()));
  v.bos = static_cast<TokenId>(dump.at("bos").as_int());
  v.unk = static_cast<TokenId>(dump.at("unk").as_int());
  return v;
}

TEST(TokenizerGoldens, SentencepieceGgufAndTiktoken) {
  const Json golden = read_golden("others.json");
  int seen = 0;
  for (const Json& test : golden.at("tests").as_array()) {
    ++seen;
    if (const Json* ranks = test.find("ranks")) {
      run_cases(*load_tokenizer_tiktoken(ranks->as_string(), test.at("config")), test);
    } else if (const Json* gguf = test.find("gguf")) {
      run_cases(*load_tokenizer_gguf(gguf_vocab(*gguf)), test);
    } else {
      // Special tokens in the text are plain text to the sentencepiece library.
      const auto t = load_tokenizer_spm(*tok::decode_base64(test.at("model").as_string()), Json());
      for (const Json& c : test.at("cases").as_array()) {
        const std::string& text = c.at("text").as_string();
        const std::vector<TokenId> ids = t->encode(text, {.add_special_tokens = false, .parse_special_tokens = false});
        EXPECT_EQ(ids, ids_of(c.at("plain"))) << test.at("name").as_string() << " " << printable(text);
        EXPECT_EQ(t->decode(ids), c.at("decoded").as_string());
      }
      const std::vector<TokenId> with = t->encode("low <s> lower");
      EXPECT_EQ(with.front(), t->special_tokens().bos);
      EXPECT_EQ(std::count(with.begin(), with.end(), *t->special_tokens().bos), 2);
      EXPECT_TRUE(t->is_special(*t->special_tokens().bos));
    }
  }
  EXPECT_EQ(seen, 4);
}

}  // namespace
}  // namespace mainspring
