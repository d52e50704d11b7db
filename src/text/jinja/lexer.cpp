// Tokens of a template: text outside tags with its white-space control, and the expression language inside tags.
#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "text/jinja/pystr.h"
#include "text/jinja/string_literal.h"
#include "text/jinja/value.h"

namespace mainspring::jinja {

namespace {

constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                           "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> run() {
    while (pos_ < source_.size()) lex_text();
    Token end;
    end.line = line_;
    tokens_.push_back(std::move(end));
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { fault("line ", line_, ": ", what); }
  std::string_view rest() const { return std::string_view(source_).substr(pos_); }
  bool at(std::string_view s) const { return rest().substr(0, s.size()) == s; }

  void push(Tok type, std::string_view text) {
    Token t;
    t.type = type;
    t.line = line_;
    t.text = text;
    tokens_.push_back(std::move(t));
  }

  void advance(size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<ptrdiff_t>(end), '\n'));
    line_starting_ = end > pos_ ? source_[end - 1] == '\n' : line_starting_;
    pos_ = end;
  }

  size_t skip_space(size_t i) const {
    while (i < source_.size()) {
      const Utf8Char c = decode_utf8(std::string_view(source_).substr(i));
      if (!is_space(c.code)) break;
      i += c.length;
    }
    return i;
  }

  char sign_at(size_t i) const {
    return i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i] : 0;
  }

  // Text before a tag after white-space control: '-' strips all, no sign strips the blanks before a tag that starts a
  // line (lstrip_blocks), '+' and variables strip nothing.
  std::string_view before_tag(std::string_view text, char sign, bool variable) const {
    if (sign == '-') return strip_right(text);
    if (sign == '+' || variable) return text;
    const size_t newline = text.rfind('\n');
    const size_t from = newline == std::string_view::npos ? 0 : newline + 1;
    if (from == 0 && !line_starting_) return text;
    return strip_left(text.substr(from)).empty() ? text.substr(0, from) : text;
  }

  // After the '%}' or '#}' of a tag (`i` is just behind it): '-' eats white space, else one newline goes (trim_blocks).
  size_t after_tag(size_t i, char sign) const {
    if (sign == '-') return skip_space(i);
    if (sign != '+' && i < source_.size() && source_[i] == '\n') return i + 1;
    return i;
  }

  // End of "{%- raw -%}" starting at `open`, or npos when the tag there is another one.
  size_t raw_tag_end(size_t open) const {
    size_t i = open + 2;
    if (sign_at(i) != 0) ++i;
    i = skip_space(i);
    if (source_.compare(i, 3, "raw") != 0) return std::string::npos;
    i = skip_space(i + 3);
    if (source_.compare(i, 3, "-%}") == 0) return skip_space(i + 3);
    return source_.compare(i, 2, "%}") == 0 ? i + 2 : std::string::npos;
  }

  void lex_text() {
    size_t open = pos_;
    while (true) {
      open = source_.find('{', open);
      if (open == std::string::npos || open + 1 >= source_.size()) {
        push(Tok::kData, rest());
        advance(source_.size());
        return;
      }
      const char c = source_[open + 1];
      if (c == '%' || c == '{' || c == '#') break;
      ++open;
    }
    const char kind = source_[open + 1];
    const size_t raw_end = kind == '%' ? raw_tag_end(open) : std::string::npos;
    const char sign = sign_at(open + 2);
    const std::string_view text =
        before_tag(std::string_view(source_).substr(pos_, open - pos_), sign, kind == '{');
    if (!text.empty()) push(Tok::kData, text);
    if (raw_end != std::string::npos) {
      advance(raw_end);
      line_starting_ = source_[raw_end - 1] == '\n';
      return lex_raw();
    }
    advance(open + 2 + (sign != 0));
    if (kind == '#') return lex_comment();
    push(kind == '%' ? Tok::kBlockBegin : Tok::kVariableBegin, "");
    lex_tag(kind == '%');
  }

  void lex_comment() {
    // The shortest match wins; a sign just before "#}" belongs to the end.
    const size_t close = source_.find("#}", pos_);
    if (close == std::string::npos) fail("missing end of comment tag");
    const char sign = close > pos_ ? sign_at(close - 1) : 0;
    const size_t end = after_tag(close + 2, sign);
    advance(end);
  }

  void lex_raw() {
    for (size_t open = source_.find("{%", pos_); open != std::string::npos; open = source_.find("{%", open + 1)) {
      size_t i = open + 2;
      const char sign = sign_at(i);
      i = skip_space(i + (sign != 0));
      if (source_.compare(i, 6, "endraw") != 0) continue;
      i = skip_space(i + 6);
      const char end_sign = sign_at(i);
      i += end_sign != 0;
      if (source_.compare(i, 2, "%}") != 0) continue;
      const std::string_view text = before_tag(std::string_view(source_).substr(pos_, open - pos_), sign, false);
      if (!text.empty()) push(Tok::kData, text);
      advance(after_tag(i + 2, end_sign));
      return;
    }
    fail("missing end of raw directive");
  }

  // True when the end of the tag stands here; consumes it.
  bool tag_end(bool block) {
    if (block) {
      const char sign = sign_at(pos_);
      const size_t i = pos_ + (sign != 0);
      if (source_.compare(i, 2, "%}") != 0) return false;
      push(Tok::kBlockEnd, "");
      advance(after_tag(i + 2, sign));
      return true;
    }
    const size_t i = pos_ + at("-");
    if (source_.compare(i, 2, "}}") != 0) return false;
    push(Tok::kVariableEnd, "");
    advance(i > pos_ ? skip_space(i + 2) : i + 2);
    return true;
  }

  void lex_tag(bool block) {
    std::string open_brackets;  // closing brackets still expected
    while (pos_ < source_.size()) {
      if (open_brackets.empty() && tag_end(block)) return;
      const size_t blank = skip_space(pos_);
      if (blank > pos_) {
        advance(blank);
      } else if (is_ascii_digit(source_[pos_])) {
        lex_number();
      } else if (source_[pos_] == '"' || source_[pos_] == '\'') {
        lex_string();
      } else if (!lex_name()) {
        lex_operator(open_brackets);
      }
    }
    // Jinja2 reports the missing end from its parser; the end-of-input token does that here too.
  }

  size_t digits(size_t i, bool (*accept)(char)) const {
    // (_?digit)* : an underscore only between digits
    while (i < source_.size()) {
      if (accept(source_[i])) {
        ++i;
      } else if (source_[i] == '_' && i + 1 < source_.size() && accept(source_[i + 1])) {
        i += 2;
      } else {
        break;
      }
    }
    return i;
  }

  // Length of a float literal here, 0 when there is none.
  size_t float_length() const {
    if (pos_ > 0 && source_[pos_ - 1] == '.') return 0;
    const size_t whole = digits(pos_, is_ascii_digit);
    size_t end = whole;
    bool fraction = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_ascii_digit(source_[end + 1])) {
      end = digits(end + 1, is_ascii_digit);
      fraction = true;
    }
    if (end < source_.size() && (source_[end] | 32) == 'e') {
      size_t i = end + 1;
      if (sign_at(i) != 0) ++i;
      if (i < source_.size() && is_ascii_digit(source_[i])) return digits(i, is_ascii_digit) - pos_;
    }
    return fraction ? end - pos_ : 0;
  }

  void lex_number() {
    const size_t real = float_length();
    size_t end = pos_ + real;
    int base = 10;
    if (real == 0) end = integer_end(base);
    std::string text(source_, pos_, end - pos_);
    std::erase(text, '_');
    push(real != 0 ? Tok::kFloat : Tok::kInteger, text);
    Token& t = tokens_.back();
    const char* first = text.data() + (base != 10 ? 2 : 0);
    const char* last = text.data() + text.size();
    if (real != 0) {
      std::from_chars(first, last, t.real);
      // from_chars leaves the value alone when it is out of range; Python gives inf or 0.
      if (const double limit = std::strtod(text.c_str(), nullptr); t.real == 0) t.real = limit;
    } else if (std::from_chars(first, last, t.integer, base).ec != std::errc()) {
      fail(cat("the integer ", printable(text), " does not fit 64 bits"));
    }
    advance(end);
  }

  size_t integer_end(int& base) const {
    const char second = pos_ + 1 < source_.size() ? static_cast<char>(source_[pos_ + 1] | 32) : 0;
    if (source_[pos_] == '0') {
      const auto binary = [](char c) { return c == '0' || c == '1'; };
      const auto octal = [](char c) { return c >= '0' && c <= '7'; };
      const auto hex = [](char c) { return is_ascii_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'); };
      const auto prefixed = [&](int b, bool (*accept)(char)) {
        const size_t end = digits(pos_ + 2, accept);
        base = b;
        return end;
      };
      size_t end = 0;
      if (second == 'b') end = prefixed(2, binary);
      if (second == 'o') end = prefixed(8, octal);
      if (second == 'x') end = prefixed(16, hex);
      if (end > pos_ + 2) return end;
      base = 10;
      return digits(pos_ + 1, [](char c) { return c == '0'; });
    }
    return digits(pos_, is_ascii_digit);
  }

  void lex_string() {
    const char quote = source_[pos_];
    size_t i = pos_ + 1;
    while (i < source_.size() && source_[i] != quote) i += source_[i] == '\\' ? 2 : 1;
    if (i >= source_.size()) fail(cat("unexpected char ", quoted_char(quote)));
    std::string text;
    if (const char* problem = decode_string_literal(std::string_view(source_).substr(pos_ + 1, i - pos_ - 1), text)) {
      fail(problem);
    }
    push(Tok::kString, text);
    advance(i + 1);
  }

  static std::string quoted_char(char c) { return std::string("'") + c + "'"; }

  bool lex_name() {
    size_t i = pos_;
    bool valid = true;
    while (i < source_.size()) {
      const Utf8Char c = decode_utf8(std::string_view(source_).substr(i));
      if (!is_word(c.code)) break;
      if (i == pos_ && !is_alpha(c.code) && c.code != '_') valid = false;
      i += c.length;
    }
    if (i == pos_) return false;
    if (!valid) fail("invalid character in identifier");
    push(Tok::kName, std::string_view(source_).substr(pos_, i - pos_));
    advance(i);
    return true;
  }

  void lex_operator(std::string& open_brackets) {
    const auto it =
        std::find_if(std::begin(kOperators), std::end(kOperators), [&](std::string_view o) { return at(o); });
    if (it == std::end(kOperators))
      fail(cat("unexpected char '", printable(rest().substr(0, decode_utf8(rest()).length)), "'"));
    const char c = (*it)[0];
    if (c == '(' || c == '[' || c == '{') {
      open_brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    } else if (c == ')' || c == ']' || c == '}') {
      if (open_brackets.empty()) fail(cat("unexpected ", quoted_char(c)));
      if (open_brackets.back() != c) {
        fail(cat("unexpected ", quoted_char(c), ", expected ", quoted_char(open_brackets.back())));
      }
      open_brackets.pop_back();
    }
    push(Tok::kOperator, *it);
    advance(pos_ + it->size());
  }

  std::string source_;
  size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

// Newlines become \n and one at the end of the template goes, as Jinja2's defaults say.
std::string normalize(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
      continue;
    }
    out.push_back('\n');
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(normalize(source)).run(); }

}  // namespace mainspring::jinja
