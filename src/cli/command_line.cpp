// The argument parser.
#include "cli/command_line.h"

#include <algorithm>

#include "base/str.h"

namespace mainspring::cli {
namespace {

class ArgumentParser {
 public:
  ArgumentParser(const Command& command, std::span<const std::string> args) : command_(command), args_(args) {}

  std::vector<Argument> parse() {
    bool only_bare = false;
    while (next_ < args_.size()) {
      const std::string& arg = args_[next_++];
      if (only_bare || arg.size() < 2 || arg[0] != '-') bare(arg);
      else if (arg == "--") only_bare = true;
      else if (arg[1] == '-') long_option(arg);
      else short_option(arg);
    }
    return std::move(out_);
  }

 private:
  void bare(const std::string& arg) {
    const char* name = bare_seen_ == 0 ? command_.positional : bare_seen_ == 1 ? command_.second : nullptr;
    if (!name) unexpected(arg);
    const OptionSpec* spec = find_option(command_.bit, name);
    for (const Argument& a : out_)
      if (a.spec == spec)
        fail(Code::kInvalidInput, "unexpected argument '", printable(arg), "': --", spec->name, " was given already");
    ++bare_seen_;
    out_.push_back({spec, arg, upper(spec->name)});
  }

  [[noreturn]] void unexpected(const std::string& arg) const {
    fail(Code::kInvalidInput, "unexpected argument '", printable(arg), "' (see mainspring ", command_.name, " --help)");
  }

  void long_option(const std::string& arg) {
    const size_t equals = arg.find('=');
    const std::string name = arg.substr(2, equals == std::string::npos ? equals : equals - 2);
    const bool has_value = equals != std::string::npos;
    const OptionSpec* spec = lookup(name);
    bool negated = false;
    if (!spec && name.starts_with("no-")) {
      spec = lookup(name.substr(3));
      negated = spec && spec->kind == OptionKind::kFlag;
      if (!negated) spec = nullptr;
    }
    if (!spec) unknown(name);
    const std::string flag = "--" + name;
    if (negated && has_value) fail(Code::kInvalidInput, flag, " takes no value");
    if (has_value) push(spec, arg.substr(equals + 1), flag);
    else if (spec->kind == OptionKind::kFlag) push(spec, negated ? "false" : "true", flag);
    else push(spec, value_of(*spec, flag), flag);
  }

  void short_option(const std::string& arg) {
    const OptionSpec* spec = find_letter(command_.bit, arg[1]);
    if (!spec)
      fail(Code::kInvalidInput, "unknown option '", printable(arg), "' (see mainspring ", command_.name, " --help)");
    const std::string flag = arg.substr(0, 2);
    if (spec->kind == OptionKind::kFlag) {
      if (arg.size() > 2) fail(Code::kInvalidInput, flag, " takes no value, found '", printable(arg), "'");
      push(spec, "true", flag);
    } else {
      push(spec, arg.size() > 2 ? arg.substr(arg[2] == '=' ? 3 : 2) : value_of(*spec, flag), flag);
    }
  }

  const OptionSpec* lookup(const std::string& name) const {
    const OptionSpec* spec = find_option(command_.bit, name);
    return spec && !spec->positional_only ? spec : nullptr;
  }

  [[noreturn]] void unknown(const std::string& name) const {
    std::vector<std::string> names;
    for (const OptionSpec& s : option_table())
      if ((s.commands & command_.bit) && !s.positional_only) names.emplace_back(s.name);
    const std::string hint = suggestion(name, names, "--");
    std::string other;
    if (hint.empty() && find_option(kEvery, name)) other = cat(" (it belongs to mainspring ", owners(name), ")");
    fail(Code::kInvalidInput, "unknown option '--", printable(name), "'", hint, other,
         hint.empty() && other.empty() ? cat(" (see mainspring ", command_.name, " --help)") : "");
  }

  static std::string owners(const std::string& name) {
    std::string list;
    for (const Command& c : command_table()) {
      const OptionSpec* spec = find_option(c.bit, name);
      if (spec && !spec->positional_only) list += cat(list.empty() ? "" : ", ", c.name);
    }
    return list;
  }

  std::string value_of(const OptionSpec& spec, const std::string& flag) {
    const bool missing = next_ >= args_.size() || (args_[next_].starts_with("--") && args_[next_].size() > 2 &&
                                                   find_option(command_.bit, args_[next_].substr(2)));
    if (missing) fail(Code::kInvalidInput, flag, " needs a value: ", flag, " ", spec.value ? spec.value : "VALUE");
    return args_[next_++];
  }

  void push(const OptionSpec* spec, std::string text, const std::string& flag) {
    const bool positional = command_.positional && std::string_view(spec->name) == command_.positional;
    if (bare_seen_ > 0 && positional) fail(Code::kInvalidInput, flag, ": the ", spec->name, " was given already");
    out_.push_back({spec, std::move(text), flag});
  }

  static std::string upper(std::string s) {
    for (char& c : s) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return s;
  }

  const Command& command_;
  std::span<const std::string> args_;
  size_t next_ = 0;
  int bare_seen_ = 0;   // arguments without a name
  std::vector<Argument> out_;
};

}  // namespace

std::vector<Argument> parse_arguments(const Command& command, std::span<const std::string> args) {
  return ArgumentParser(command, args).parse();
}

bool asks_for_help(std::span<const std::string> args) {
  for (const std::string& a : args) {
    if (a == "--") return false;
    if (a == "--help" || a == "-h") return true;
  }
  return false;
}

}  // namespace mainspring::cli
