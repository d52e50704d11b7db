// Parsing of chat lines.
#include "cli/chat_input.h"

#include <utility>

#include "base/str.h"
#include "cli/options.h"

namespace mainspring::cli {
namespace {

constexpr std::string_view kFence = "\"\"\"";

constexpr ChatCommand kCommands[] = {
    {"/system", "TEXT", "set the system message (without TEXT: show it) and start anew", ChatAction::kSystem},
    {"/reset", "", "forget the conversation", ChatAction::kReset},
    {"/save", "FILE", "write the conversation as JSON", ChatAction::kSave},
    {"/image", "FILE", "reserved for models that see", ChatAction::kImage},
    {"/help", "", "this list", ChatAction::kHelp},
    {"/exit", "", "leave (also Ctrl-D)", ChatAction::kExit},
};

}  // namespace

void MessageAssembler::append(std::string_view line) {
  if (has_text_) text_ += '\n';
  text_ += line;
  has_text_ = true;
}

std::string MessageAssembler::take() {
  in_block_ = continued_ = has_text_ = false;
  return std::exchange(text_, {});
}

std::optional<std::string> MessageAssembler::feed(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!pending() && trim(line).starts_with(kFence)) {
    in_block_ = true;
    line = trim(line).substr(kFence.size());
    if (line.empty()) return std::nullopt;   // the text begins on the next line
  }
  if (in_block_) {
    std::string_view body = line;
    while (body.ends_with(' ') || body.ends_with('\t')) body.remove_suffix(1);
    if (!body.ends_with(kFence)) {
      append(line);
      return std::nullopt;
    }
    body.remove_suffix(kFence.size());
    if (!body.empty()) append(body);
    return take();
  }
  if (line.ends_with('\\')) {
    append(line.substr(0, line.size() - 1));
    continued_ = true;
    return std::nullopt;
  }
  append(line);
  return take();
}

std::span<const ChatCommand> chat_commands() { return kCommands; }

std::vector<std::string> chat_command_names() {
  std::vector<std::string> names;
  for (const ChatCommand& c : kCommands) names.emplace_back(c.name);
  return names;
}

ChatInput parse_chat_input(std::string_view message) {
  const std::string_view text = trim(message);
  if (text.empty()) return {};
  if (text.starts_with("//")) return {ChatAction::kMessage, std::string(text.substr(1))};
  if (!text.starts_with('/')) return {ChatAction::kMessage, std::string(message)};
  const size_t end = text.find_first_of(" \t\n");
  const std::string_view name = text.substr(0, end);
  const std::string argument(end == std::string_view::npos ? std::string_view() : trim(text.substr(end)));
  if (name == "/quit" || name == "/bye") return {ChatAction::kExit, {}};
  for (const ChatCommand& c : kCommands)
    if (name == c.name) return {c.action, argument};
  return {ChatAction::kUnknown, cat("unknown command '", printable(name), "'", suggestion(name, chat_command_names()),
                                    " (/help lists them; // begins a message with a slash)")};
}

}  // namespace mainspring::cli
