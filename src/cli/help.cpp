// Rendering --help from the tables.
#include <algorithm>

#include "base/str.h"
#include "base/terminal.h"
#include "cli/command_line.h"

namespace mainspring::cli {
namespace {

// Words of `text` in lines of at most `width` cells; lines after the first are indented. Its own line breaks stay.
std::string wrap(std::string_view text, int width, int indent) {
  std::string out;
  int column = 0;
  if (const size_t line_end = text.find('\n'); line_end != std::string_view::npos)
    return cat(wrap(text.substr(0, line_end), width, indent), "\n", std::string(static_cast<size_t>(indent), ' '),
               wrap(text.substr(line_end + 1), width, indent));
  for (std::string_view word : split(text, ' ')) {
    const int cells = display_width(word);
    if (column > 0 && column + 1 + cells > width) {
      out += cat("\n", std::string(static_cast<size_t>(indent), ' '));
      column = 0;
    }
    if (column > 0) out += ' ', ++column;
    out += word;
    column += cells;
  }
  return out;
}

std::string option_head(const OptionSpec& spec) {
  std::string head = spec.letter ? cat("-", spec.letter, ", ") : "    ";
  const bool on_by_default =
      spec.kind == OptionKind::kFlag && spec.fallback && std::string_view(spec.fallback) == "true";
  head += cat(on_by_default ? "--[no-]" : "--", spec.name);
  if (takes_value(spec)) head += cat(" ", spec.value);
  return head;
}

std::string option_text(const OptionSpec& spec) {
  std::string text = spec.help;
  if (spec.choices && !std::string_view(text).ends_with("fish")) {
    std::string list;
    for (const std::string& c : choices_of(spec)) list += cat(list.empty() ? "" : ", ", c);
    text += cat(" (", list, ")");
  }
  const bool has_default = spec.fallback && spec.kind != OptionKind::kFlag && std::string_view(spec.fallback) != "0";
  if (has_default) text += cat(" [", spec.fallback, "]");
  return text;
}

}  // namespace

std::string program_help() {
  std::string out =
      "Mainspring runs language models on this machine.\n\n"
      "Usage: mainspring COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& c : command_table()) {
    std::string name = c.name;
    name.resize(12, ' ');
    out += cat("  ", name, c.summary, "\n");
  }
  out += "\nmainspring COMMAND --help explains a command. Every option is also a variable\n"
         "(MAINSPRING_MAX_TOKENS=64) and a key of the settings file (max_tokens = 64);\n"
         "mainspring COMMAND --print-config shows which one counts.\n";
  return out;
}

std::string command_help(const Command& command, int columns) {
  columns = std::clamp(columns, 60, 120);
  const OptionSpec* bare = command.positional ? find_option(command.bit, command.positional) : nullptr;
  std::string out = cat("mainspring ", command.name, ": ", command.summary, "\n\nUsage: mainspring ", command.name,
                        " [OPTIONS]");
  const OptionSpec* second = command.second ? find_option(command.bit, command.second) : nullptr;
  if (bare) out += command.positional_required ? cat(" ", bare->value) : cat(" [", bare->value, "]");
  if (second) out += cat(" ", second->value);
  out += "\n";
  if (*command.details) out += cat("\n", wrap(command.details, columns - 1, 0), "\n");
  for (const OptionSpec* s : {bare, second})
    if (s && s->positional_only) out += cat("\n  ", s->value, "  ", option_text(*s), "\n");

  size_t head_width = 0;
  for (const OptionSpec& s : option_table())
    if ((s.commands & command.bit) && !s.positional_only) head_width = std::max(head_width, option_head(s).size());
  head_width = std::min<size_t>(head_width, 30);
  for (Section section : {Section::kCommand, Section::kModel, Section::kSampling, Section::kCommon}) {
    std::string body;
    for (const OptionSpec& s : option_table()) {
      if (!(s.commands & command.bit) || s.section != section || s.positional_only) continue;
      std::string head = option_head(s);
      head.resize(std::max(head.size(), head_width), ' ');
      const int indent = static_cast<int>(head_width) + 4;
      body += cat("  ", head, "  ", wrap(option_text(s), columns - indent - 1, indent), "\n");
    }
    if (!body.empty()) out += cat("\n", section_title(section), ":\n", body);
  }
  return out;
}

}  // namespace mainspring::cli
