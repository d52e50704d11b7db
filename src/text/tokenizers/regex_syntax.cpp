// Rewrites a split expression for PCRE2. The parser knows the structure of the expression (groups, classes,
// quantifiers) and copies everything that means the same to both engines.
#include <optional>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizers/regex.h"

namespace mainspring::tok {
namespace {

constexpr int kMaxDepth = 100;

// \w and \b follow Oniguruma: alphabetic characters, marks, decimal digits, connector punctuation; outside brackets it
// also counts the superscript digits and fractions of Latin-1.
#define MS_WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
constexpr std::string_view kClassWord = MS_WORD;
constexpr std::string_view kWordItems = MS_WORD "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
#undef MS_WORD

class Translator {
 public:
  Translator(std::string_view pattern, RegexSyntax syntax) : in_(pattern), ruby_(syntax == RegexSyntax::kOniguruma) {}

  std::string run() {
    std::string out = alternatives(0);
    if (at_ < in_.size()) bad("unmatched )");
    return out;
  }

 private:
  [[noreturn]] void bad(std::string_view why) const {
    fail(Code::kInvalidInput, "regular expression ", printable(in_), ": ", why, " at offset ", at_);
  }
  bool more() const noexcept { return at_ < in_.size(); }
  char peek(size_t ahead = 0) const noexcept { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool looking_at(std::string_view s) const noexcept { return in_.substr(at_).starts_with(s); }
  // One character (a whole code point) as it stands.
  std::string_view take_char() {
    if (!more()) bad("unexpected end");
    const Utf8Char c = decode_utf8(in_.substr(at_));
    if (!c.valid) bad("not valid UTF-8");
    const auto s = in_.substr(at_, c.length);
    at_ += c.length;
    return s;
  }

  std::string alternatives(int depth) {
    if (depth > kMaxDepth) bad("nested too deeply");
    std::string out;
    while (more() && peek() != ')') {
      if (peek() == '|') {
        out += '|';
        ++at_;
        continue;
      }
      out += quantified(atom(depth));
    }
    return out;
  }

  std::string quantified(std::string item) {
    while (more()) {
      const char c = peek();
      if (c == '*' || c == '+' || c == '?') {
        item += c;
        ++at_;
        if (peek() == '?' || peek() == '+') item += in_[at_++];
        continue;
      }
      std::optional<std::string> interval = c == '{' ? take_interval() : std::nullopt;
      if (!interval) return item;
      item += *interval;
      if (peek() == '?') {
        item += in_[at_++];
      } else if (peek() == '+') {
        ++at_;
        // Ruby reads {n,m}+ as a repeated interval, everybody else as a possessive one.
        item = ruby_ ? cat("(?:", item, ")+") : cat(item, "+");
      }
    }
    return item;
  }

  // "{3}", "{1,3}", "{2,}", "{,4}"; anything else is a literal brace.
  std::optional<std::string> take_interval() {
    size_t i = at_ + 1;
    std::string low, high;
    bool comma = false;
    for (; i < in_.size() && in_[i] != '}'; ++i) {
      if (in_[i] == ',' && !comma) {
        comma = true;
      } else if (in_[i] >= '0' && in_[i] <= '9') {
        (comma ? high : low) += in_[i];
      } else {
        return std::nullopt;
      }
    }
    if (i >= in_.size() || (low.empty() && high.empty())) return std::nullopt;
    at_ = i + 1;
    if (low.empty()) low = "0";
    return comma ? cat("{", low, ",", high, "}") : cat("{", low, "}");
  }

  std::string atom(int depth) {
    const char c = peek();
    if (c == '(') return group(depth);
    if (c == '[') return char_class(depth);
    if (c == '\\') return escape();
    if (c == '{') {
      ++at_;
      return "\\{";
    }
    return std::string(take_char());
  }

  std::string group(int depth) {
    ++at_;
    std::string head = "(";
    if (peek() == '?') {
      static constexpr std::string_view kHeads[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
      bool known = false;
      for (const std::string_view h : kHeads) {
        if (!looking_at(h)) continue;
        head += h;
        at_ += h.size();
        known = true;
        break;
      }
      if (!known && (peek(1) == '<' || peek(1) == 'P' || peek(1) == '#')) bad("this kind of group is not supported");
      if (!known) {
        head += flags();
        if (peek() == ')') {  // (?i) applies to the rest of the enclosing group
          ++at_;
          return head + ")";
        }
        if (peek() != ':') bad("this kind of group is not supported");
        head += ':';
        ++at_;
      }
    } else {
      head = "(?:";  // captures are never used
    }
    std::string body = alternatives(depth + 1);
    if (peek() != ')') bad("missing )");
    ++at_;
    return head + body + ")";
  }

  std::string flags() {
    std::string out = "?";
    ++at_;
    while (more() && peek() != ')' && peek() != ':') {
      const char c = in_[at_++];
      if (c == 'm') {
        out += ruby_ ? 's' : 'm';  // Ruby's m lets the dot match newlines
      } else if (c == 'i' || c == 'x' || c == '-' || (c == 's' && !ruby_)) {
        out += c;
      } else if (c != 'u') {
        bad("unknown flag");
      }
    }
    return out;
  }

  // \p{...}, \P{...}, \p{^...}: scripts are asked for by their own name, not by script extensions as PCRE2 would.
  std::string property(bool negated) {
    if (peek() != '{') return cat(negated ? "\\P" : "\\p", std::string(take_char()));
    const size_t close = in_.find('}', at_);
    if (close == std::string_view::npos) bad("missing } after \\p");
    std::string_view name = in_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    if (name.starts_with("^")) {
      negated = !negated;
      name.remove_prefix(1);
    }
    for (const std::string_view prefix : {"Script=", "script=", "sc=", "General_Category=", "gc="}) {
      if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    }
    const std::string lower = to_lower_ascii(name);
    static constexpr std::pair<std::string_view, std::string_view> kLong[] = {
        {"letter", "L"},         {"mark", "M"},       {"number", "N"},    {"punctuation", "P"}, {"symbol", "S"},
        {"separator", "Z"},      {"other", "C"},      {"upper", "Lu"},    {"uppercase", "Lu"},  {"lower", "Ll"},
        {"lowercase", "Ll"},     {"digit", "Nd"},     {"alpha", "Alphabetic"}, {"alphabetic", "Alphabetic"},
        {"uppercase_letter", "Lu"}, {"lowercase_letter", "Ll"}, {"decimal_number", "Nd"}, {"any", "Any"},
        {"white_space", "Xps"}, {"space", "Xps"}};
    for (const auto& [from, to] : kLong) {
      if (lower == from) return cat(negated ? "\\P{" : "\\p{", to, "}");
    }
    const bool category = name.size() <= 2 || name == "L&" || name == "Any";
    const bool binary = lower.starts_with("emoji") || lower.starts_with("extended_pict") || lower == "ideographic";
    return cat(negated ? "\\P{" : "\\p{", category || binary ? "" : "sc:", name, "}");
  }

  std::string escape() {
    ++at_;
    const char c = peek();
    switch (c) {
      case 'p':
      case 'P': ++at_; return property(c == 'P');
      case 'w': ++at_; return cat("[", kWordItems, "]");
      case 'W': ++at_; return cat("[^", kWordItems, "]");
      case 'h':
        if (ruby_) return ++at_, "[0-9A-Fa-f]";
        break;
      case 'H':
        if (ruby_) return ++at_, "[^0-9A-Fa-f]";
        break;
      case 'b':
        ++at_;
        return cat("(?:(?<=[", kWordItems, "])(?![", kWordItems, "])|(?<![", kWordItems, "])(?=[", kWordItems, "]))");
      case 'B':
        ++at_;
        return cat("(?:(?<=[", kWordItems, "])(?=[", kWordItems, "])|(?<![", kWordItems, "])(?![", kWordItems, "]))");
      case 'u': return unicode_escape();
      default: break;
    }
    if (c >= '1' && c <= '9') bad("back references are not supported");
    return cat("\\", std::string(take_char()));
  }

  // \u4E00 -> \x{4E00}
  std::string unicode_escape() {
    ++at_;
    std::string hex;
    if (peek() == '{') {
      const size_t close = in_.find('}', at_);
      if (close == std::string_view::npos) bad("missing } after \\u");
      hex = in_.substr(at_ + 1, close - at_ - 1);
      at_ = close + 1;
    } else {
      hex = in_.substr(at_, 4);
      if (hex.size() != 4) bad("\\u needs four digits");
      at_ += 4;
    }
    return cat("\\x{", hex, "}");
  }

  struct Set {
    std::string items;                 // inside of a plain PCRE2 class
    std::vector<std::string> nested;   // one-character expressions joined by union
    bool empty() const { return items.empty() && nested.empty(); }
    // A one-character expression.
    std::string expression() const {
      if (nested.empty()) return cat("[", items, "]");
      std::string out = "(?:";
      if (!items.empty()) out += cat("[", items, "]|");
      for (size_t i = 0; i < nested.size(); ++i) out += cat(i == 0 ? "" : "|", nested[i]);
      return out + ")";
    }
  };

  // Classes may hold classes and "&&"; PCRE2 10.42 knows neither, so these become look-aheads.
  std::string char_class(int depth) {
    if (depth > kMaxDepth) bad("nested too deeply");
    ++at_;
    bool negated = false;
    if (peek() == '^') {
      negated = true;
      ++at_;
    }
    std::vector<Set> parts(1);
    bool first = true;
    while (true) {
      if (!more()) bad("missing ]");
      if (peek() == ']' && !first) break;
      if (looking_at("&&")) {
        at_ += 2;
        parts.emplace_back();
      } else if (looking_at("[:") && in_.find(":]", at_) != std::string_view::npos) {
        parts.back().items += posix_class();
      } else if (peek() == '[') {
        if (ruby_ || in_.find("&&", at_) != std::string_view::npos || parts.size() > 1) {
          parts.back().nested.push_back(char_class(depth + 1));
        } else {
          parts.back().items += "\\[";
          ++at_;
        }
      } else if (looking_at("\\W")) {
        at_ += 2;
        parts.back().nested.push_back(cat("[^", kClassWord, "]"));
      } else {
        parts.back().items += class_item();
      }
      first = false;
    }
    ++at_;
    if (parts.size() == 1 && parts[0].nested.empty()) return cat(negated ? "[^" : "[", parts[0].items, "]");
    std::string all;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty()) bad("empty operand of &&");
      const bool last = i + 1 == parts.size();
      all += last ? parts[i].expression() : cat("(?=", parts[i].expression(), ")");
    }
    return negated ? cat("(?:(?!", all, ")(?s:.))") : cat("(?:", all, ")");
  }

  std::string posix_class() {
    const size_t end = in_.find(":]", at_);
    std::string name(in_.substr(at_ + 2, end - at_ - 2));
    at_ = end + 2;
    static constexpr std::pair<std::string_view, std::string_view> kClasses[] = {
        {"alpha", "\\p{Alphabetic}"}, {"digit", "\\p{Nd}"},     {"alnum", "\\p{Alphabetic}\\p{Nd}"},
        {"upper", "\\p{Uppercase}"},  {"lower", "\\p{Lowercase}"}, {"space", "\\s"},
        {"punct", "\\p{P}\\p{S}"},    {"cntrl", "\\p{Cc}"},      {"xdigit", "0-9A-Fa-f"},
        {"word", kClassWord}};
    for (const auto& [from, to] : kClasses) {
      if (name == from) return std::string(to);
    }
    return cat("[:", name, ":]");
  }

  std::string class_item() {
    if (peek() != '\\') {
      const std::string_view c = take_char();
      return c == "[" ? "\\[" : std::string(c);
    }
    ++at_;
    const char c = peek();
    if (c == 'p' || c == 'P') return ++at_, property(c == 'P');
    if (c == 'w') return ++at_, std::string(kClassWord);
    if (c == 'h' && ruby_) return ++at_, "0-9A-Fa-f";
    if (c == 'u') return unicode_escape();
    return cat("\\", std::string(take_char()));
  }

  std::string_view in_;
  bool ruby_;
  size_t at_ = 0;
};

}  // namespace

std::string translate_regex(std::string_view pattern, RegexSyntax syntax) { return Translator(pattern, syntax).run(); }

}  // namespace mainspring::tok
