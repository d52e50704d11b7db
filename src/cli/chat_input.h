// What the lines typed into a chat mean: messages over several lines, and slash commands.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::cli {

// Joins lines into messages: a trailing backslash continues, and """ opens a block that ends with """ at the end of a
// line (or of the same line).
class MessageAssembler {
 public:
  // A whole message, or nullopt while more lines are needed.
  std::optional<std::string> feed(std::string_view line);
  bool pending() const noexcept { return in_block_ || continued_; }
  // What was typed so far, when the input ends in the middle; then empty again.
  std::string take();

 private:
  void append(std::string_view line);
  std::string text_;
  bool in_block_ = false, continued_ = false, has_text_ = false;
};

enum class ChatAction { kNothing, kMessage, kSystem, kReset, kSave, kImage, kHelp, kExit, kUnknown };

struct ChatInput {
  ChatAction action = ChatAction::kNothing;
  std::string text;   // the message or the command's argument; kUnknown: the command and a hint
};

// "/system You are terse", "//literal slash", "hello".
ChatInput parse_chat_input(std::string_view message);

struct ChatCommand {
  const char* name;       // "/system"
  const char* argument;   // "" or "TEXT"
  const char* help;
  ChatAction action;
};
std::span<const ChatCommand> chat_commands();
std::vector<std::string> chat_command_names();

}  // namespace mainspring::cli
