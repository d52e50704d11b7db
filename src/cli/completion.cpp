// `mainspring completion`: scripts for bash, zsh and fish, generated from the option table.
#include <algorithm>

#include "base/str.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/settings.h"

namespace mainspring::cli {
namespace {

// 'text' for a POSIX shell and zsh.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

template <class Visit>
void each_option(const Command& command, const Visit& visit) {
  for (const OptionSpec& spec : option_table())
    if (spec.commands & command.bit) visit(spec);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += cat(out.empty() ? "" : " ", w);
  return out;
}

// ---- bash -------------------------------------------------------------------------------------------------------

// What completes the value of an option: a line of shell that fills COMPREPLY.
std::string bash_value(const OptionSpec& spec) {
  switch (spec.kind) {
    case OptionKind::kChoice: return cat("COMPREPLY=($(compgen -W '", joined(choices_of(spec)), "' -- \"$cur\"))");
    case OptionKind::kPath: return "COMPREPLY=($(compgen -f -- \"$cur\"))";
    case OptionKind::kModel:
      return "COMPREPLY=($(compgen -f -- \"$cur\") $(compgen -W \"$(mainspring list --quiet 2>/dev/null)\" -- "
             "\"$cur\"))";
    default: return "COMPREPLY=()";
  }
}

std::string bash_script() {
  std::string out =
      "# bash completion for mainspring\n"
      "_mainspring() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]}\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n";
  out += cat("    COMPREPLY=($(compgen -W '", joined(command_names()),
             " --help --version' -- \"$cur\"))\n    return\n  fi\n", "  case $cmd in\n");
  for (const Command& c : command_table()) {
    std::string values, words;
    each_option(c, [&](const OptionSpec& spec) {
      if (spec.positional_only) return;
      words += cat(words.empty() ? "" : " ", "--", spec.name);
      if (spec.kind == OptionKind::kFlag && spec.fallback && std::string_view(spec.fallback) == "true")
        words += cat(" --no-", spec.name);
      if (takes_value(spec))
        values += cat("        --", spec.name, spec.letter ? cat("|-", spec.letter) : "", ") ", bash_value(spec),
                      "; return;;\n");
    });
    out += cat("    ", c.name, ")\n");
    if (!values.empty()) out += cat("      case $prev in\n", values, "      esac\n");
    out += cat("      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '", words, "' -- \"$cur\")); return; fi\n");
    if (c.positional) out += cat("      ", bash_value(*find_option(c.bit, c.positional)), "\n");
    out += "      ;;\n";
  }
  out += "  esac\n}\ncomplete -o filenames -F _mainspring mainspring\n";
  return out;
}

// ---- zsh --------------------------------------------------------------------------------------------------------

// Inside _arguments specifications, brackets and colons of the help text are syntax.
std::string zsh_help(std::string_view help) {
  std::string out;
  for (char c : help) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const OptionSpec& spec) {
  switch (spec.kind) {
    case OptionKind::kChoice: return cat("(", joined(choices_of(spec)), ")");
    case OptionKind::kPath: return "_files";
    case OptionKind::kModel: return "_mainspring_models";
    default: return " ";
  }
}

std::string zsh_script() {
  std::string out =
      "#compdef mainspring\n"
      "# zsh completion for mainspring\n"
      "_mainspring_models() {\n"
      "  local -a models\n"
      "  models=(${(f)\"$(mainspring list --quiet 2>/dev/null)\"})\n"
      "  compadd -a models\n"
      "  _files\n"
      "}\n"
      "_mainspring() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const Command& c : command_table()) out += cat("    ", quoted(cat(c.name, ":", zsh_help(c.summary))), "\n");
  out +=
      "  )\n"
      "  if ((CURRENT == 2)); then _describe command commands; return; fi\n"
      "  local cmd=$words[2]\n"
      "  shift words; ((CURRENT--))\n"
      "  case $cmd in\n";
  for (const Command& c : command_table()) {
    out += cat("    ", c.name, ")\n      _arguments -s -S");
    each_option(c, [&](const OptionSpec& spec) {
      if (spec.positional_only) return;
      const std::string repeat = spec.kind == OptionKind::kTexts ? "*" : "";
      const std::string tail = takes_value(spec)
                                   ? cat(":", spec.value, ":", zsh_action(spec))
                                   : std::string();
      const std::string help = cat("[", zsh_help(spec.help), "]");
      out += cat(" \\\n        ", quoted(cat(repeat, "--", spec.name, takes_value(spec) ? "=" : "", help, tail)));
      if (spec.letter)
        out += cat(" \\\n        ", quoted(cat(repeat, "-", spec.letter, takes_value(spec) ? "+" : "", help, tail)));
      if (spec.kind == OptionKind::kFlag && spec.fallback && std::string_view(spec.fallback) == "true")
        out += cat(" \\\n        ", quoted(cat("--no-", spec.name, help)));
    });
    int place = 0;
    for (const char* name : {c.positional, c.second}) {
      if (!name) continue;
      const OptionSpec& spec = *find_option(c.bit, name);
      out += cat(" \\\n        ", quoted(cat(++place, ":", spec.value, ":", zsh_action(spec))));
    }
    out += "\n      ;;\n";
  }
  out += "  esac\n}\n"
         "if [[ $funcstack[1] == _mainspring ]]; then _mainspring \"$@\"; else compdef _mainspring mainspring; fi\n";
  return out;
}

// ---- fish -------------------------------------------------------------------------------------------------------

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_value(const OptionSpec& spec) {
  switch (spec.kind) {
    case OptionKind::kFlag: return "";
    case OptionKind::kChoice: return cat(" -x -a ", fish_quoted(joined(choices_of(spec))));
    case OptionKind::kPath: return " -r -F";
    case OptionKind::kModel: return " -r -F -a '(mainspring list --quiet 2>/dev/null)'";
    default: return " -x";
  }
}

std::string fish_script() {
  std::string out = "# fish completion for mainspring\ncomplete -c mainspring -f\n";
  for (const Command& c : command_table())
    out += cat("complete -c mainspring -n __fish_use_subcommand -a ", c.name, " -d ", fish_quoted(c.summary), "\n");
  for (const Command& c : command_table()) {
    const std::string head = cat("complete -c mainspring -n '__fish_seen_subcommand_from ", c.name, "'");
    each_option(c, [&](const OptionSpec& spec) {
      if (spec.positional_only) return;
      out += cat(head, spec.letter ? cat(" -s ", spec.letter) : "", " -l ", spec.name, fish_value(spec), " -d ",
                 fish_quoted(spec.help), "\n");
    });
    if (!c.positional) continue;
    const OptionSpec& spec = *find_option(c.bit, c.positional);
    if (spec.kind == OptionKind::kChoice) out += cat(head, " -a ", fish_quoted(joined(choices_of(spec))), "\n");
    if (spec.kind == OptionKind::kPath) out += cat(head, " -F\n");
    if (spec.kind == OptionKind::kModel) out += cat(head, " -F -a '(mainspring list --quiet 2>/dev/null)'\n");
  }
  return out;
}

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  if (shell == "fish") return fish_script();
  fail(Code::kInvalidInput, "no completion for the shell '", printable(shell), "' (bash, zsh, fish)");
}

int run_completion(App& app) {
  app.out.write(completion_script(app.settings.text("shell")));
  return 0;
}

}  // namespace mainspring::cli
