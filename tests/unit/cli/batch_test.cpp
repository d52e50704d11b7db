// JSON Lines requests: members, checks, and the line of an error.
#include "cli/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"

namespace mainspring::cli {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_batch(text, "b.jsonl", Settings(kGenerate));
  } catch (const Error& e) {
    EXPECT_EQ(exit_status(e.code()), 2);
    return e.message();
  }
  return "no error";
}

TEST(Batch, ParsesAndOverlays) {
  Settings base(kGenerate);
  base.set(*find_option(kGenerate, "temperature"), {"0.5"}, Origin::kCommandLine, "--temperature");
  const auto requests = parse_batch(
      "{\"id\": \"a\", \"prompt\": \"hi\", \"max_tokens\": 3, \"stop\": [\"x\", \"y\"], \"logit_bias\": {\"42\": "
      "-1.5}}\n"
      "\n"
      "  {\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"temperature\": 1, \"ignore_eos\": true}\r\n",
      "b.jsonl", base);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].id.as_string(), "a");
  EXPECT_EQ(requests[1].id.as_int(), 3);   // the line
  const Settings first = request_settings(requests[0], "b.jsonl", base);
  EXPECT_EQ(first.integer("max-tokens"), 3);
  EXPECT_DOUBLE_EQ(first.real("temperature"), 0.5);
  EXPECT_THAT(first.list("stop"), testing::ElementsAre("x", "y"));
  EXPECT_THAT(first.list("logit-bias"), testing::ElementsAre("42:-1.5"));
  const Settings second = request_settings(requests[1], "b.jsonl", base);
  EXPECT_DOUBLE_EQ(second.real("temperature"), 1.0);
  EXPECT_TRUE(second.flag("ignore-eos"));
  EXPECT_FALSE(base.given("max-tokens"));
}

TEST(Batch, MessagesOfAPrompt) {
  Settings base(kGenerate);
  base.set(*find_option(kGenerate, "system"), {"S"}, Origin::kCommandLine, "--system");
  const auto requests = parse_batch("{\"prompt\": \"p\"}\n{\"prompt\": \"p\", \"system\": \"own\"}\n", "b", base);
  EXPECT_EQ(request_messages(requests[0], base),
            parse_json(R"([{"role":"system","content":"S"},{"role":"user","content":"p"}])", "expected"));
  EXPECT_EQ(request_messages(requests[1], base).as_array()[0].at("content").as_string(), "own");
}

TEST(Batch, ErrorsNameTheLine) {
  EXPECT_THAT(error_of("{\"prompt\": \"a\"}\n{\"prompt\": \n"), HasSubstr("b.jsonl:2"));
  EXPECT_THAT(error_of("[1]"), HasSubstr("b.jsonl:1: expected a JSON object, found an array"));
  EXPECT_THAT(error_of("{}"), HasSubstr("needs either"));
  EXPECT_THAT(error_of("{\"prompt\": \"a\", \"messages\": []}"), HasSubstr("needs either"));
  EXPECT_THAT(error_of("{\"prompt\": 3}"), HasSubstr("prompt: expected a string, found an integer"));
  EXPECT_THAT(error_of("{\"messages\": []}"), HasSubstr("non-empty array"));
  EXPECT_THAT(error_of("{\"messages\": [{\"role\": \"user\"}]}"), HasSubstr("\"content\""));
  EXPECT_THAT(error_of("\n\n{\"prompt\": \"a\", \"temprature\": 1}"),
              HasSubstr("b.jsonl:3: unknown member 'temprature', did you mean 'temperature'?"));
  EXPECT_THAT(error_of("{\"prompt\": \"a\", \"temperature\": \"hot\"}"),
              HasSubstr("b.jsonl:1: temperature: expected a number, found a string"));
  EXPECT_THAT(error_of("{\"prompt\": \"a\", \"top_p\": 7}"), HasSubstr("top_p: expected a number in 0..1"));
  EXPECT_THAT(error_of("{\"prompt\": \"a\", \"model\": \"m\"}"), HasSubstr("unknown member 'model'"));
  EXPECT_THAT(error_of("{\"prompt\": \"a\", \"id\": [1]}"), HasSubstr("id: expected a string or number"));
  EXPECT_EQ(error_of("\n \n"), "no error");
}

}  // namespace
}  // namespace mainspring::cli
