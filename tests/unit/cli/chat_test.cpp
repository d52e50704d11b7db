// Chat input: multi-line messages, slash commands, the history file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/chat_input.h"
#include "cli/line_reader.h"

namespace mainspring::cli {
namespace {

TEST(MessageAssembler, Lines) {
  MessageAssembler m;
  EXPECT_EQ(m.feed("hello"), "hello");
  EXPECT_EQ(m.feed("crlf\r"), "crlf");
  EXPECT_EQ(m.feed(""), "");
}

TEST(MessageAssembler, Backslash) {
  MessageAssembler m;
  EXPECT_EQ(m.feed("one\\"), std::nullopt);
  EXPECT_TRUE(m.pending());
  EXPECT_EQ(m.feed("two\\"), std::nullopt);
  EXPECT_EQ(m.feed("three"), "one\ntwo\nthree");
  EXPECT_FALSE(m.pending());
}

TEST(MessageAssembler, Blocks) {
  MessageAssembler m;
  EXPECT_EQ(m.feed("\"\"\""), std::nullopt);
  EXPECT_EQ(m.feed("a\\"), std::nullopt);
  EXPECT_EQ(m.feed(""), std::nullopt);
  EXPECT_EQ(m.feed("b"), std::nullopt);
  EXPECT_EQ(m.feed("\"\"\""), "a\\\n\nb");
  EXPECT_EQ(m.feed("\"\"\"x"), std::nullopt);
  EXPECT_EQ(m.feed("y\"\"\" "), "x\ny");
  EXPECT_EQ(m.feed("\"\"\"one line\"\"\""), "one line");
  EXPECT_EQ(m.feed("\"\"\""), std::nullopt);
  EXPECT_EQ(m.take(), "");
  EXPECT_EQ(m.feed("next"), "next");
}

TEST(ChatInput, Commands) {
  EXPECT_EQ(parse_chat_input("  ").action, ChatAction::kNothing);
  EXPECT_EQ(parse_chat_input("/reset").action, ChatAction::kReset);
  EXPECT_EQ(parse_chat_input(" /exit ").action, ChatAction::kExit);
  EXPECT_EQ(parse_chat_input("/bye").action, ChatAction::kExit);
  EXPECT_EQ(parse_chat_input("/image cat.png").action, ChatAction::kImage);
  const ChatInput system = parse_chat_input("/system  Be terse.\nVery.");
  EXPECT_EQ(system.action, ChatAction::kSystem);
  EXPECT_EQ(system.text, "Be terse.\nVery.");
  EXPECT_EQ(parse_chat_input("/save a b").text, "a b");
  const ChatInput unknown = parse_chat_input("/restet");
  EXPECT_EQ(unknown.action, ChatAction::kUnknown);
  EXPECT_THAT(unknown.text, testing::HasSubstr("did you mean '/reset'?"));
  const ChatInput literal = parse_chat_input("//usr/bin?");
  EXPECT_EQ(literal.action, ChatAction::kMessage);
  EXPECT_EQ(literal.text, "/usr/bin?");
  EXPECT_EQ(parse_chat_input("  keep  ").text, "  keep  ");
}

TEST(History, RoundTrip) {
  const std::vector<std::string> entries = {"a", "two\nlines", "back\\slash\\n", "é"};
  EXPECT_EQ(parse_history(format_history(entries, 100)), entries);
  EXPECT_EQ(parse_history(format_history(entries, 2)), (std::vector<std::string>{"back\\slash\\n", "é"}));
  EXPECT_TRUE(parse_history("\n\n").empty());
  EXPECT_EQ(parse_history("x\\"), (std::vector<std::string>{"x\\"}));
}

TEST(History, FileIsPrivateAndTroubleIsReported) {
  const std::string file = testing::TempDir() + "/ms-history-test/deep/history";
  EXPECT_EQ(save_history(file, {"one", "two"}), "");
  EXPECT_EQ(load_history(file), (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(load_history(file + "-absent").empty());
  EXPECT_THAT(save_history(file + "/below-a-file", {"x"}), testing::HasSubstr("was not saved"));
}

}  // namespace
}  // namespace mainspring::cli
