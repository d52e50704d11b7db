// Tokenizer behaviour outside the goldens: options, errors, limits, folders, GGUF vocabularies, concurrency.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <unistd.h>

#include "base/str.h"
#include "text/tokenizer.h"
#include "text/tokenizers/base64.h"
#include "text/tokenizers/byte_alphabet.h"
#include "text/tokenizers/gguf_pre.h"
#include "text/tokenizers/regex.h"
#include "text/tokenizers/vocab.h"

namespace mainspring {
namespace {

GgufVocab byte_level_vocab(std::vector<std::string> more = {}) {
  GgufVocab v;
  v.model = "gpt2";
  v.pre = "gpt-2";
  for (int b = 0; b < 256; ++b) {
    std::string letter;
    const char c = static_cast<char>(b);
    tok::append_as_alphabet(letter, std::string_view(&c, 1));
    v.tokens.push_back(letter);
  }
  for (std::string& m : more) v.tokens.push_back(std::move(m));
  v.token_types.assign(v.tokens.size(), 1);
  return v;
}

template <class F>
std::string message_of(F&& f, Code code) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_EQ(std::string_view(e.what()).find('\n'), std::string_view::npos);
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(GgufTokenizer, MergesSpecialTokensAndBos) {
  GgufVocab v = byte_level_vocab({"he", "ll", "hell", "<|im_end|>", "<tool>"});
  v.merges = {"h e", "l l", "he ll"};
  v.token_types[259] = 3;
  v.token_types[260] = 4;
  v.bos = v.eos = 259;
  v.add_bos = true;
  const auto t = load_tokenizer_gguf(v);
  EXPECT_EQ(t->encode("hello<|im_end|>"), (std::vector<TokenId>{259, 258, 'o', 259}));
  EXPECT_EQ(t->encode("hell", {.add_special_tokens = false}), (std::vector<TokenId>{258}));
  const auto plain = t->encode("<|im_end|>", {.add_special_tokens = false, .parse_special_tokens = false});
  EXPECT_EQ(plain.size(), 10u);
  EXPECT_EQ(t->decode(plain), "<|im_end|>");
  // A user-defined token is not special: it is found either way and never skipped.
  EXPECT_EQ(t->encode("<tool>", {.add_special_tokens = false, .parse_special_tokens = false}), (std::vector<TokenId>{260}));
  EXPECT_EQ(t->decode(std::vector<TokenId>{259, 260, 258}, true), "<tool>hell");
  EXPECT_TRUE(t->is_special(259));
  EXPECT_FALSE(t->is_special(260));
  EXPECT_EQ(t->token_to_id("<|im_end|>"), 259);
  EXPECT_EQ(t->id_to_token(258), "hell");
  EXPECT_EQ(t->token_bytes(0xE4), "\xE4");
  EXPECT_EQ(t->vocab_size(), 261u);
  EXPECT_EQ(t->describe(), "BPE, byte-level, 261 tokens");
}

TEST(GgufTokenizer, InvalidUtf8IsReplaced) {
  const auto t = load_tokenizer_gguf(byte_level_vocab());
  EXPECT_EQ(t->decode(t->encode("a\xFF\xE4z")), "a\ufffd\ufffdz");
}

TEST(GgufTokenizer, ErrorsNameTheProblem) {
  GgufVocab v = byte_level_vocab();
  v.pre = "no-such-pre";
  EXPECT_NE(message_of([&] { load_tokenizer_gguf(v); }, Code::kUnsupported).find("no-such-pre"), std::string::npos);
  v.pre = "gpt-2";
  v.merges = {"h zz"};
  EXPECT_NE(message_of([&] { load_tokenizer_gguf(v); }, Code::kInvalidInput).find("zz"), std::string::npos);
  v.merges = {"hzz"};
  message_of([&] { load_tokenizer_gguf(v); }, Code::kInvalidInput);
  v.merges.clear();
  v.bos = 256;
  EXPECT_NE(message_of([&] { load_tokenizer_gguf(v); }, Code::kInvalidInput).find("bos"), std::string::npos);
  v.bos.reset();
  v.token_types.pop_back();
  message_of([&] { load_tokenizer_gguf(v); }, Code::kInvalidInput);
  v.model = "rwkv";
  v.token_types.clear();
  EXPECT_NE(message_of([&] { load_tokenizer_gguf(v); }, Code::kUnsupported).find("rwkv"), std::string::npos);
  const auto t = load_tokenizer_gguf(byte_level_vocab());
  message_of([&] { t->decode(std::vector<TokenId>{256}); }, Code::kInvalidInput);
  message_of([&] { t->decode(std::vector<TokenId>{-1}); }, Code::kInvalidInput);
  message_of([&] { t->token_bytes(1 << 20); }, Code::kInvalidInput);
}

TEST(GgufTokenizer, EveryKnownPreTokenizerLoadsAndRoundTrips) {
  const std::string text = "It's 1234567 \u4f60\u597d caf\u00e9, THE end.\r\n\n  \t x\u0301\u0e01 ";
  int known = 0;
  for (const std::string_view name :
       {"llama-bpe", "qwen2", "qwen35", "stablelm2", "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon", "smollm",
        "gpt-2", "mpt", "starcoder", "refact", "command-r", "olmo", "dbrx", "poro-chat", "chatglm-bpe", "glm4", "viking",
        "jais", "tekken", "gpt-4o", "superbpe", "exaone", "bloom", "minerva-7b", "seed-coder", "kimi-k2", "hunyuan",
        "hunyuan-dense", "bailingmoe", "jais-2", "exaone-moe", "minicpm5", "youtu", "tiny_aya", "chameleon", "laguna",
        "spark2.5", "grok-2", "ufakzeka", "llama4", "modern-bert", "trillion", "default", ""}) {
    GgufVocab v = byte_level_vocab();
    v.pre = name;
    const auto t = load_tokenizer_gguf(v);
    const auto ids = t->encode(text);

    EXPECT_EQ(t->decode(ids), text) << name;
    ++known;
  }
  EXPECT_EQ(known, 47);
}

TEST(GgufTokenizer, BertAndT5) {
  GgufVocab bert;
  bert.model = "bert";
  bert.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581play", "ing", "\u2581.", "\u2581the"};
  bert.token_types = {3, 2, 3, 3, 1, 1, 1, 1};
  bert.unk = 1;
  const auto b = load_tokenizer_gguf(bert);
  EXPECT_EQ(b->encode("The PLAYING. zzz"), (std::vector<TokenId>{2, 7, 4, 5, 6, 1, 3}));
  EXPECT_EQ(b->decode(std::vector<TokenId>{7, 4, 5, 6}), "the playing.");
  EXPECT_EQ(b->token_bytes(5), "ing");
  EXPECT_EQ(b->token_bytes(4), " play");
  GgufVocab t5;
  t5.model = "t5";
  t5.tokens = {"<pad>", "</s>", "<unk>", "\u2581", "\u2581a", "b", "\u2581ab"};
  t5.token_types = {3, 3, 2, 1, 1, 1, 1};
  t5.scores = {0, 0, 0, -3, -2, -2.5, -6};
  t5.eos = 1;
  t5.unk = 2;
  const auto u = load_tokenizer_gguf(t5);
  EXPECT_EQ(u->encode("  ab   ab "), (std::vector<TokenId>{4, 5, 4, 5, 1}));
  EXPECT_EQ(u->encode("zz"), (std::vector<TokenId>{3, 2, 1}));
}

TEST(Tokenizer, SharedBetweenThreads) {
  GgufVocab v = byte_level_vocab({"ab", "abab"});
  v.merges = {"a b", "ab ab"};
  const auto t = load_tokenizer_gguf(v);
  std::string text;
  for (int i = 0; i < 2000; ++i) text += cat("ab", i % 7, " abab", i, "\n");
  const auto expected = t->encode(text);
  std::vector<std::thread> threads;
  std::vector<int> good(4, 0);
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&, n] {
      for (int i = 0; i < 20; ++i) good[n] += t->encode(text) == expected ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, (std::vector<int>(4, 20)));
}

TEST(Tokenizer, LongWordsTakeLittleTime) {
  GgufVocab v = byte_level_vocab({"aa", "aaaa", "aaaaaaaa"});
  v.merges = {"a a", "aa aa", "aaaa aaaa"};
  const auto t = load_tokenizer_gguf(v);
  EXPECT_EQ(t->encode(std::string(400'000, 'a')).size(), 50'000u);
  // Of equal pairs the leftmost merges first, in short words and in long ones.
  EXPECT_EQ(t->encode("aaa"), (std::vector<TokenId>{256, 'a'}));
  EXPECT_EQ(t->encode(std::string(41, 'a')), (std::vector<TokenId>{258, 258, 258, 258, 258, 'a'}));
}

TEST(TokenizerJson, HostileFilesGiveErrors) {
  const auto load = [](std::string_view text) { return load_tokenizer_json(parse_json(text, "t"), Json()); };
  const auto bad = [&](std::string_view text, Code code = Code::kInvalidInput) {
    return message_of([&] { load(text); }, code);
  };
  bad("[]");
  bad(R"({"model": {"type": "BPE"}})");
  bad(R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})");
  bad(R"({"model": {"type": "BPE", "vocab": {"a": 2147483647}, "merges": []}})");
  bad(R"({"model": {"type": "BPE", "vocab": {"a": 99999999999}, "merges": []}})");
  bad(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}})");
  bad(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}})");
  bad(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b", "c"]]}})");
  bad(R"({"model": {"type": "Unigram", "vocab": [["a"]]}})");
  bad(R"({"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 7}})");
  EXPECT_NE(bad(R"({"model": {"type": "Quux"}})", Code::kUnsupported).find("Quux"), std::string::npos);
  const std::string model = R"("model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"})";
  EXPECT_NE(bad(cat("{", model, R"(, "normalizer": {"type": "X9"}})"), Code::kUnsupported).find("X9"), std::string::npos);
  EXPECT_NE(bad(cat("{", model, R"(, "pre_tokenizer": {"type": "X9"}})"), Code::kUnsupported).find("pre_tok"),
            std::string::npos);
  bad(cat("{", model, R"(, "decoder": {"type": "X9"}})"), Code::kUnsupported);
  bad(cat("{", model, R"(, "post_processor": {"type": "X9"}})"), Code::kUnsupported);
  bad(cat("{", model, R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}})"));
  bad(cat("{", model, R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Sideways"}})"));
  bad(cat("{", model, R"(, "pre_tokenizer": {"type": "FixedLength", "length": 0}})"));
  bad(cat("{", model, R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}})"));
  bad(cat("{", model, R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "////fw=="}})"));
  bad(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.5}})", Code::kUnsupported);
}

TEST(TokenizerJson, BacktrackingExpressionsEnd) {
  const std::string spec = R"({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "pre_tokenizer":
      {"type": "Split", "pattern": {"Regex": "(?:a+)+$"}, "behavior": "Isolated"}})";
  const auto t = load_tokenizer_json(parse_json(spec, "t"), Json());
  EXPECT_NE(message_of([&] { t->encode(std::string(64, 'a') + "b"); }, Code::kInvalidInput).find("(?:a+)+$"),
            std::string::npos);
}

TEST(TokenizerJson, ConfigAddsTokensAndNamesSpecialOnes) {
  const Json spec = parse_json(R"({"model": {"type": "WordLevel", "vocab": {"a": 0, "<pad>": 1}, "unk_token": "a"},
      "pre_tokenizer": {"type": "WhitespaceSplit"}})", "t");
  const Json config = parse_json(R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": "<pad>",
      "added_tokens_decoder": {"2": {"content": "<new>", "special": false}}})", "c");
  const auto t = load_tokenizer_json(spec, config);
  EXPECT_EQ(t->encode("a<new>a </s>"), (std::vector<TokenId>{0, 2, 0, 4}));
  EXPECT_EQ(t->special_tokens().bos, 3);
  EXPECT_EQ(t->special_tokens().eos, 4);
  EXPECT_EQ(t->special_tokens().pad, 1);
  EXPECT_EQ(t->special_tokens().unk, 0);
}

class TokenizerFolder : public ::testing::Test {
 protected:
  TokenizerFolder() : path_(std::filesystem::temp_directory_path() / cat("ms_tok_", ::getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~TokenizerFolder() override { std::filesystem::remove_all(path_); }
  void write(const std::string& name, std::string_view text) {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  std::filesystem::path path_;
};

TEST_F(TokenizerFolder, SaysWhatItLookedFor) {
  EXPECT_NE(message_of([&] { load_tokenizer_folder(path_.string()); }, Code::kNotFound).find("tokenizer.model"),
            std::string::npos);
}

TEST_F(TokenizerFolder, PrefersTokenizerJsonThenRanksThenVocabAndMerges) {
  std::string vocab = "{", ranks;
  const GgufVocab bytes = byte_level_vocab();
  for (size_t i = 0; i < 256; ++i) vocab += cat(i ? "," : "", Json(bytes.tokens[i]).dump(), ":", i);
  write("vocab.json", vocab + R"(,"ab":256,"<e>":257})");
  write("merges.txt", "#version: 0.2\na b\n");
  write("special_tokens_map.json", R"({"eos_token": "<e>"})");
  {
    const auto t = load_tokenizer_folder(path_.string());
    EXPECT_EQ(t->encode("abc<e>"), (std::vector<TokenId>{256, 'c', 257}));
    EXPECT_EQ(t->special_tokens().eos, 257);
  }
  write("x.tiktoken", "YQ== 0\nYg== 1\nYWI= 2\n");
  EXPECT_EQ(load_tokenizer_folder(path_.string())->encode("abab b"), (std::vector<TokenId>{2, 2, 1}));
  write("tokenizer.model", "YQ== 0\nYg== 1\nYWJhYg== 2\n");
  EXPECT_EQ(load_tokenizer_folder(path_.string())->encode("abab"), (std::vector<TokenId>{2}));
  write("tokenizer.json", R"({"model": {"type": "WordLevel", "vocab": {"a": 5}, "unk_token": "a"}})");
  EXPECT_EQ(load_tokenizer_folder(path_.string())->encode("abab"), (std::vector<TokenId>{5}));
}

TEST(Tiktoken, BadLinesAreNamed) {
  EXPECT_NE(message_of([] { load_tokenizer_tiktoken("YQ== 0\nY 1\n", Json()); }, Code::kInvalidInput).find("line 2"),
            std::string::npos);
  message_of([] { load_tokenizer_tiktoken("", Json()); }, Code::kInvalidInput);
  message_of([] { load_tokenizer_spm("not a model at all, no", Json()); }, Code::kInvalidInput);
}

TEST(RegexSyntax, Translation) {
  using tok::RegexSyntax;
  EXPECT_EQ(tok::translate_regex("[a&&[^b]]", RegexSyntax::kOniguruma), "(?:(?=[a])(?:[^b]))");
  EXPECT_EQ(tok::translate_regex("a{2}+", RegexSyntax::kOniguruma), "(?:a{2})+");
  EXPECT_EQ(tok::translate_regex("a{2}+", RegexSyntax::kPerl), "a{2}+");
  EXPECT_EQ(tok::translate_regex("\\p{Han}\\p{L}\\p{^Nd}", RegexSyntax::kOniguruma), "\\p{sc:Han}\\p{L}\\P{Nd}");
  EXPECT_EQ(tok::translate_regex("(a)(?m:.)", RegexSyntax::kOniguruma), "(?:a)(?s:.)");
  for (const std::string_view bad : {"(a", "a)", "[a", "(?<n>a)\\1", "[a&&]"}) {
    message_of([&] { tok::Regex(bad, RegexSyntax::kOniguruma); }, Code::kInvalidInput);
  }
}

TEST(Vocab, FindsWhatWasSet) {
  tok::Vocab v;
  for (int i = 0; i < 5000; ++i) v.set(cat("token", i * 7), i);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(v.find(cat("token", i * 7)), i);
    ASSERT_EQ(v.text(i), cat("token", i * 7));
  }
  EXPECT_EQ(v.find("token1"), -1);
  EXPECT_EQ(v.count(), 5000u);
  EXPECT_FALSE(v.used(5000));
}

TEST(Base64, Decodes) {
  EXPECT_EQ(tok::decode_base64("aGVsbG8="), "hello");
  EXPECT_EQ(tok::decode_base64("//79"), "\xFF\xFE\xFD");
  EXPECT_FALSE(tok::decode_base64("a"));
  EXPECT_FALSE(tok::decode_base64("a*=="));
}

}  // namespace
}  // namespace mainspring
