// JSON, UTF-8 and string helpers.
#include <gtest/gtest.h>

#include "base/checked_math.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"

namespace mainspring {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_json(text, "t");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kInvalidInput);
    return e.message();
  }
  return "";
}

TEST(Json, KeepsOrderNumbersAndText) {
  const std::string text = R"({"b": [1, -2, 2.5, 1e300, true, null], "a": {"x": "é\n\u00e9\ud83d\ude00"}, "big": 18446744073709551615})";
  const Json j = parse_json(text, "t");
  EXPECT_EQ(j.as_object()[0].first, "b");
  EXPECT_EQ(j.at("b").as_array()[1].as_int(), -2);
  EXPECT_EQ(j.at("a").at("x").as_string(), "é\né😀");
  EXPECT_EQ(parse_json(j.dump(), "again"), j);
  EXPECT_EQ(parse_json(j.dump(2), "again"), j);
}

TEST(Json, DuplicateKeysKeepTheLastValue) {
  const Json j = parse_json(R"({"a": 1, "b": 2, "a": 3})", "t");
  EXPECT_EQ(j.size(), 2u);
  EXPECT_EQ(j.at("a").as_int(), 3);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* bad : {"", " ", "{", "[1,]", "{\"a\":1,}", "01", "nul", "\"\x01\"", "\"\\x\"", "[1] 2", "'a'", "NaN", "\"\xff\""})
    EXPECT_NE(error_of(bad), "") << bad;
  EXPECT_NE(error_of(std::string(1000, '[')), "");
  EXPECT_NE(error_of("[1, 2, x]").find("byte"), std::string::npos);
}

TEST(Json, WrongKindsSaySo) {
  const Json j = parse_json(R"({"a": "text", "n": 1.5})", "t");
  EXPECT_THROW(j.at("a").as_int(), Error);
  EXPECT_THROW(j.at("n").as_int(), Error);
  EXPECT_THROW(j.at("missing"), Error);
  EXPECT_EQ(parse_json("4.0", "t").as_int(), 4);
}

TEST(Utf8, RejectsIllFormedSequences) {
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82"})
    EXPECT_FALSE(is_valid_utf8(bad)) << bad;
  EXPECT_TRUE(is_valid_utf8("aé€😀\xF4\x8F\xBF\xBF"));
}

// Expected values: bytes.decode("utf-8", errors="replace") of Python 3.11.
TEST(Utf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(replace_invalid_utf8("a\xE2\x82z"), "a\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF"), "\uFFFD\uFFFD");
}

TEST(Utf8, CompletePrefixHoldsBackOnlyAnUnfinishedTail) {
  EXPECT_EQ(complete_utf8_prefix("ab\xE2\x82"), 2u);
  EXPECT_EQ(complete_utf8_prefix("ab\xF0\x9F\x98"), 2u);
  EXPECT_EQ(complete_utf8_prefix("ab\xE2\x82\xAC"), 5u);
  EXPECT_EQ(complete_utf8_prefix("ab\x80"), 3u);  // ill-formed, not unfinished
  EXPECT_EQ(complete_utf8_prefix(""), 0u);
}

TEST(Str, PrintableEscapesAndCuts) {
  EXPECT_EQ(printable("a\n\x1b[31m\xff"), "a\\x0a\\x1b[31m\\xff");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(cat("n=", 3, ' ', 2.5, ' ', true), "n=3 2.5 true");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
}

TEST(CheckedMath, OverflowIsAnError) {
  EXPECT_THROW(checked_mul(uint64_t{1} << 63, 2, "t"), Error);
  EXPECT_THROW(checked_add(UINT64_MAX, 1, "t"), Error);
  const int64_t negative[] = {4, -1}, huge[] = {INT64_C(1) << 31, 2}, many[] = {2147483647, 2147483647, 2147483647};
  EXPECT_THROW(checked_elements(negative, "t"), Error);
  EXPECT_THROW(checked_elements(huge, "t"), Error);
  EXPECT_THROW(checked_elements(many, "t"), Error);
  EXPECT_THROW((checked_cast<int32_t>(int64_t{1} << 40, "t")), Error);
  EXPECT_THROW((checked_cast<uint32_t>(-1, "t")), Error);
  EXPECT_EQ((checked_cast<int32_t>(uint64_t{7}, "t")), 7);
}

}  // namespace
}  // namespace mainspring
