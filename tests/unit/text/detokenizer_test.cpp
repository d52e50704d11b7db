// Incremental detokenisation: hold-back of unfinished characters and of possible stop strings.
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "base/str.h"
#include "text/tokenizers/byte_alphabet.h"

namespace mainspring {
namespace {

// Byte-level: id = byte; 256 is a special token. Byte fallback: pieces with U+2581 and "<0xXX>".
std::unique_ptr<Tokenizer> byte_tokenizer() {
  Json::Object vocab;
  for (int b = 0; b < 256; ++b) {
    std::string letter;
    const char c = static_cast<char>(b);
    tok::append_as_alphabet(letter, std::string_view(&c, 1));
    vocab.emplace_back(letter, Json(b));
  }
  const Json level = Json::object({{"type", "ByteLevel"}, {"add_prefix_space", false}});
  const Json end = Json::object({{"id", 256}, {"content", "<end>"}, {"special", true}, {"normalized", false}});
  return load_tokenizer_json(
      Json::object({{"model", Json::object({{"type", "BPE"}, {"vocab", Json(vocab)}, {"merges", Json::array()}})},
                    {"pre_tokenizer", level},
                    {"decoder", level},
                    {"added_tokens", Json::array({end})}}),
      Json());
}

std::vector<TokenId> bytes(std::string_view s) {
  std::vector<TokenId> ids;
  for (const char c : s) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

std::string push_all(Detokenizer& d, std::string_view s) {
  std::string out;
  for (const TokenId id : bytes(s)) out += d.push(id);
  return out;
}

TEST(Detokenizer, HoldsBackUnfinishedCharacters) {
  const auto t = byte_tokenizer();
  Detokenizer d(*t);
  const std::string text = "a\u00e9\u4f60\U0001f600z";
  std::string out;
  for (const TokenId id : bytes(text)) {
    const std::string piece = d.push(id);
    EXPECT_EQ(piece.find("\ufffd"), std::string::npos);
    out += piece;
  }
  EXPECT_EQ(out, text);
  EXPECT_EQ(d.finish(), "");
  EXPECT_EQ(d.text(), text);
}

TEST(Detokenizer, UnfinishedCharacterAtTheEndBecomesOneReplacement) {
  const auto t = byte_tokenizer();
  Detokenizer d(*t);
  EXPECT_EQ(push_all(d, "ab\xE4\xBD"), "ab");
  EXPECT_EQ(d.finish(), "\ufffd");
}

TEST(Detokenizer, InvalidBytesDoNotStopTheStream) {
  const auto t = byte_tokenizer();
  Detokenizer d(*t);
  EXPECT_EQ(push_all(d, "a\xFF\xFFz"), "a\ufffd\ufffdz");
}

TEST(Detokenizer, StopStringIsCutOffAndEndsTheText) {
  const auto t = byte_tokenizer();
  Detokenizer d(*t, {"STOP"});
  EXPECT_EQ(push_all(d, "one S"), "one ");
  EXPECT_EQ(push_all(d, "TO"), "");
  EXPECT_EQ(push_all(d, "x STOP more"), "STOx ");
  ASSERT_TRUE(d.stopped());
  EXPECT_EQ(d.stopped()->index, 0u);
  EXPECT_EQ(d.push('x'), "");
  EXPECT_EQ(d.finish(), "");
  EXPECT_EQ(d.text(), "one STOx ");
}

TEST(Detokenizer, IncludeStopKeepsIt) {
  const auto t = byte_tokenizer();
  Detokenizer d(*t, {"\n\n"}, true, true);
  EXPECT_EQ(push_all(d, "a\nb\n\nc"), "a\nb\n\n");
}

TEST(Detokenizer, EarliestMatchWinsThenTheFirstInTheList) {
  const auto t = byte_tokenizer();
  {
    Detokenizer d(*t, {"cd", "bcde"});
    EXPECT_EQ(push_all(d, "abcdef"), "a");  // "bcde" starts earlier, though "cd" is complete first
    EXPECT_EQ(d.stopped()->index, 1u);
  }
  {
    Detokenizer d(*t, {"cd", "bcdX"});
    EXPECT_EQ(push_all(d, "abcdef"), "ab");
    EXPECT_EQ(d.stopped()->index, 0u);
  }
  {
    Detokenizer d(*t, {"xyz", "xy"});
    EXPECT_EQ(push_all(d, "wxyz"), "w");
  }
}

TEST(Detokenizer, PartialStopIsReleasedAtTheEnd) {
  const auto t = byte_tokenizer();
  Detokenizer d(*t, {"</answer>"});
  EXPECT_EQ(push_all(d, "x</ans"), "x");
  EXPECT_EQ(d.finish(), "</ans");
  EXPECT_FALSE(d.stopped());
}

TEST(Detokenizer, SpecialTokensAreSkippedOrShown) {
  const auto t = byte_tokenizer();
  Detokenizer hidden(*t), shown(*t, {}, false);
  EXPECT_EQ(push_all(hidden, "a") + hidden.push(256) + push_all(hidden, "b"), "ab");
  EXPECT_EQ(push_all(shown, "a") + shown.push(256) + push_all(shown, "b"), "a<end>b");
}

TEST(Detokenizer, FirstSpaceOfSentencepieceIsDroppedOnce) {
  GgufVocab v;
  v.model = "llama";
  v.tokens = {"<unk>", "<s>", "\u2581a", "\u2581b", "c", "<0xE4>", "<0xBD>", "<0xA0>"};
  v.token_types = {2, 3, 1, 1, 1, 6, 6, 6};
  v.scores = std::vector<float>(8, 0.0F);
  const auto t = load_tokenizer_gguf(v);
  Detokenizer d(*t);
  const std::vector<TokenId> ids = {2, 3, 4, 5, 6, 7, 2};
  std::vector<std::string> out;
  for (const TokenId id : ids) out.push_back(d.push(id));
  EXPECT_EQ(out, (std::vector<std::string>{"a", " b", "c", "", "", "\u4f60", " a"}));
  EXPECT_EQ(d.text(), t->decode(ids, true));
}

}  // namespace
}  // namespace mainspring
