// The two ways to fill in a string: "%" and str.format.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"

namespace mainspring::jinja {

namespace {

constexpr int kMaxWidth = 100'000;

struct Conversion {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  int width = 0, precision = -1;
  char type = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(Interp& in, const Value& format, const Value& args)
      : in_(in), s_(format.text()), markup_(format.is_markup()), args_(args) {}

  std::string run() {
    while (!s_.empty()) {
      const size_t at = s_.find('%');
      out_ += s_.substr(0, at);
      if (at == std::string_view::npos) break;
      s_.remove_prefix(at + 1);
      convert();
      in_.require_memory(out_.size());
    }
    const bool tuple = args_.is(Kind::kTuple);
    const bool mapping = args_.is(Kind::kDict) || args_.is(Kind::kList) || args_.is(Kind::kRange);
    if (!mapping && (tuple ? used_ < args_.items().size() : !single_used_) && !(args_.is(Kind::kUndefined))) {
      fault("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  char peek() const {
    if (s_.empty()) fault("incomplete format");
    return s_[0];
  }

  const Value& next_arg() {
    if (args_.is(Kind::kTuple)) {
      if (used_ >= args_.items().size()) fault("not enough arguments for format string");
      return args_.items()[used_++];
    }
    if (single_used_) fault("not enough arguments for format string");
    single_used_ = true;
    return args_;
  }

  int number() {
    if (peek() == '*') {
      s_.remove_prefix(1);
      return static_cast<int>(std::clamp<int64_t>(need_int(next_arg(), "a * width"), -kMaxWidth, kMaxWidth));
    }
    int n = 0;
    while (peek() >= '0' && peek() <= '9') {
      n = n * 10 + (peek() - '0');
      if (n > kMaxWidth) fault("a format width or precision is larger than ", kMaxWidth);
      s_.remove_prefix(1);
    }
    return n;
  }

  // "(name)" after the percent sign.
  bool mapping_key(Value& value) {
    if (peek() != '(') return false;
    int depth = 0;
    size_t end = 0;
    for (; end < s_.size(); ++end) {
      depth += s_[end] == '(' ? 1 : s_[end] == ')' ? -1 : 0;
      if (depth == 0) break;
    }
    if (end >= s_.size()) fault("incomplete format key");
    if (!args_.is(Kind::kDict)) fault("format requires a mapping");
    const std::string_view key = s_.substr(1, end - 1);
    const Value* found = args_.as<DictObj>().find(key);
    if (found == nullptr) fault("no key ", quoted(printable(key, 40)), " for the format string");
    s_.remove_prefix(end + 1);
    value = *found;
    return true;
  }

  void convert() {
    Value named;
    const bool has_name = mapping_key(named);
    Conversion c;
    for (bool flags = true; flags;) {
      switch (peek()) {
        case '-': c.left = true; break;
        case '+': c.plus = true; break;
        case ' ': c.space = true; break;
        case '#': c.alternate = true; break;
        case '0': c.zero = true; break;
        default: flags = false;
      }
      if (flags) s_.remove_prefix(1);
    }
    c.width = number();
    if (c.width < 0) {
      c.left = true;
      c.width = -c.width;
    }
    if (peek() == '.') {
      s_.remove_prefix(1);
      c.precision = std::max(0, number());
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') s_.remove_prefix(1);
    c.type = peek();
    s_.remove_prefix(1);
    if (c.type == '%') {
      out_ += '%';
      return;
    }
    const Value v = has_name ? named : next_arg();
    in_.step(static_cast<size_t>(c.width) / 16 + 1);
    append(c, v);
  }

  void append(const Conversion& c, const Value& v) {
    switch (c.type) {
      case 's':
      case 'r':
      case 'a': {
        std::string text;
        if (c.type == 's') {
          append_text(in_, text, v);
        } else {
          append_repr(in_, text, v);
        }
        if (c.precision >= 0) text.resize(byte_offset(text, static_cast<size_t>(c.precision)));
        if (markup_ && !v.is_markup()) text = escape_html(text);
        return padded(c, "", text, false);
      }
      case 'c': {
        std::string text;
        if (v.is_string() && v.as<StrObj>().length() == 1) {
          text = v.text();
        } else {
          const int64_t i = need_int(v, "%c");
          if (i < 0 || i > 0x10FFFF) fault("%c arg not in range(0x110000)");
          append_utf8(text, static_cast<uint32_t>(i));
        }
        return padded(c, "", text, false);
      }
      case 'd':
      case 'i':
      case 'u':
      case 'o':
      case 'x':
      case 'X': return integer(c, v);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
        if (!v.is_number()) fault("must be real number, not ", type_name(v));
        std::string text = format_real(v.as_real(), c.type, c.precision < 0 ? 6 : c.precision, c.alternate);
        const bool negative = text[0] == '-';
        if (negative) text.erase(0, 1);
        return padded(c, sign(c, negative), text, true);
      }
      default: fault("unsupported format character '", printable(std::string(1, c.type)), "'");
    }
  }

  static std::string sign(const Conversion& c, bool negative) {
    return negative ? "-" : c.plus ? "+" : c.space ? " " : "";
  }

  void integer(const Conversion& c, const Value& v) {
    if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
    const bool decimal = c.type == 'd' || c.type == 'i' || c.type == 'u';
    if (!(v.is_integral() || (decimal && v.is(Kind::kFloat)))) {
      fault("%", c.type, " format: a real number is required, not ", type_name(v));
    }
    const int64_t i = v.is_integral() ? v.as_int() : integer_from_real(v.as_real(), "%d").as_int();
    const std::string spec(1, decimal ? 'd' : c.type);
    std::string text = format_value(in_, Value::integer(i), spec);
    if (i < 0) text.erase(0, 1);
    if (c.precision > static_cast<int>(text.size()))
      text.insert(0, static_cast<size_t>(c.precision) - text.size(), '0');
    std::string prefix = sign(c, i < 0);
    if (c.alternate && !decimal) prefix += cat("0", c.type);
    padded(c, prefix, text, true);
  }

  void padded(const Conversion& c, std::string_view prefix, std::string_view text, bool numeric) {
    const size_t used = prefix.size() + code_points(text);
    const size_t missing = static_cast<size_t>(c.width) > used ? static_cast<size_t>(c.width) - used : 0;
    if (c.left) {
      out_ += cat(prefix, text, std::string(missing, ' '));
    } else if (c.zero && numeric) {
      out_ += cat(prefix, std::string(missing, '0'), text);
    } else {
      out_ += cat(std::string(missing, ' '), prefix, text);
    }
  }

  Interp& in_;
  std::string_view s_;
  bool markup_;
  const Value& args_;
  std::string out_;
  size_t used_ = 0;
  bool single_used_ = false;
};

class BraceFormatter {
 public:
  BraceFormatter(Interp& in, const Args& args) : in_(in), args_(args) {}

  std::string run(std::string_view s, int depth) {
    if (depth < 0) fault("Max string recursion exceeded");
    std::string out;
    while (!s.empty()) {
      const size_t at = s.find_first_of("{}");
      out += s.substr(0, at);
      if (at == std::string_view::npos) break;
      const char c = s[at];
      s.remove_prefix(at + 1);
      if (!s.empty() && s[0] == c) {
        out += c;
        s.remove_prefix(1);
      } else if (c == '}') {
        fault("Single '}' encountered in format string");
      } else {
        out += field(s, depth);
      }
      in_.step();
      in_.require_memory(out.size());
    }
    return out;
  }

 private:
  // One replacement field; `s` starts behind its brace and ends up behind the closing one.
  std::string field(std::string_view& s, int depth) {
    int level = 1;
    size_t end = 0;
    bool in_bracket = false;
    for (; end < s.size(); ++end) {
      if (s[end] == '[') in_bracket = true;
      if (s[end] == ']') in_bracket = false;
      if (in_bracket) continue;
      level += s[end] == '{' ? 1 : s[end] == '}' ? -1 : 0;
      if (level == 0) break;
    }
    if (level != 0) fault(s.empty() ? "Single '{' encountered in format string" : "expected '}' before end of string");
    const std::string_view body = s.substr(0, end);
    s.remove_prefix(end + 1);
    size_t name_end = 0;
    for (bool bracket = false; name_end < body.size(); ++name_end) {
      const char c = body[name_end];
      if (c == '[') bracket = true;
      if (c == ']') bracket = false;
      if (c == '{' && !bracket) fault("unexpected '{' in field name");
      if (!bracket && (c == '!' || c == ':')) break;
    }
    std::string_view rest = body.substr(name_end);
    char conversion = 0;
    if (rest.starts_with('!')) {
      if (rest.size() < 2) fault("end of string while looking for conversion specifier");
      conversion = rest[1];
      rest.remove_prefix(2);
      if (!rest.empty() && rest[0] != ':') fault("expected ':' after conversion specifier");
    }
    Value v = lookup(body.substr(0, name_end));
    if (conversion == 'r' || conversion == 'a') {
      std::string text;
      append_repr(in_, text, v);
      v = in_.str(std::move(text));
    } else if (conversion == 's') {
      v = in_.str(to_text(in_, v));
    } else if (conversion != 0) {
      fault("Unknown conversion specifier ", printable(std::string(1, conversion)));
    }
    const std::string spec = rest.empty() ? "" : run(rest.substr(1), depth - 1);
    return format_value(in_, v, spec);
  }

  Value argument(std::string_view name) {
    if (name.empty()) {
      if (numbering_ == Numbering::kManual)
        fault("cannot switch from manual field specification to automatic field numbering");
      numbering_ = Numbering::kAutomatic;
      return positional(next_++);
    }
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      if (numbering_ == Numbering::kAutomatic)
        fault("cannot switch from manual field specification to automatic field numbering");
      numbering_ = Numbering::kManual;
      const std::optional<Value> i = parse_integer(name, 10);
      return positional(static_cast<size_t>(i->as_int()));
    }
    for (const auto& [key, value] : args_.kw) {
      if (key == name) return value;
    }
    fault("no argument named ", quoted(printable(name, 40)), " for the format string");
  }

  Value positional(size_t i) const {
    if (i >= args_.pos.size()) fault("Replacement index ", i, " out of range for positional args tuple");
    return args_.pos[i];
  }

  Value lookup(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    Value v = argument(name.substr(0, end));
    name.remove_prefix(end);
    while (!name.empty()) {
      if (name[0] == '.') {
        const size_t stop = std::min(name.find_first_of(".[", 1), name.size());
        if (stop == 1) fault("Empty attribute in format string");
        v = get_attribute(in_, v, name.substr(1, stop - 1));
        name.remove_prefix(stop);
        continue;
      }
      const size_t close = name.find(']');
      if (name[0] != '[' || close == std::string_view::npos) fault("Missing ']' in format string");
      const std::string_view key = name.substr(1, close - 1);
      if (key.empty()) fault("Empty attribute in format string");
      const bool number = std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
      v = get_item(in_, v, number ? *parse_integer(key, 10) : in_.str(std::string(key)));
      name.remove_prefix(close + 1);
      if (!name.empty() && name[0] != '.' && name[0] != '[')
        fault("Only '.' or '[' may follow ']' in format field specifier");
    }
    return v;
  }

  enum class Numbering : uint8_t { kUnknown, kAutomatic, kManual };
  Interp& in_;
  const Args& args_;
  Numbering numbering_ = Numbering::kUnknown;
  size_t next_ = 0;
};

}  // namespace

std::string percent_format(Interp& in, const Value& format, const Value& args) {
  return PercentFormatter(in, format, args).run();
}

std::string brace_format(Interp& in, std::string_view format, const Args& args) {
  return BraceFormatter(in, args).run(format, 2);
}

}  // namespace mainspring::jinja
