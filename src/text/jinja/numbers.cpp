// Text to numbers as Python's int() and float() read it.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/utf8.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"

namespace mainspring::jinja {

namespace {

// White space gone, decimal digits of every script as ASCII; nothing when another character is outside ASCII.
std::optional<std::string> plain_digits(std::string_view text) {
  std::string out;
  const std::string_view s = strip_both(text);
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    i += c.length;
    if (c.code < 0x80) {
      out += static_cast<char>(c.code);
    } else if (is_decimal(c.code)) {
      // Decimal digits come in runs of ten from zero to nine.
      uint32_t zero = c.code;
      while (c.code - zero < 9 && is_decimal(zero - 1)) --zero;
      out += static_cast<char>('0' + (c.code - zero) % 10);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

// Drops underscores that stand between digits; false when one stands elsewhere.
bool drop_underscores(std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '_') {
      out += s[i];
      continue;
    }
    const auto alnum = [&](size_t k) { return k < s.size() && std::isalnum(static_cast<unsigned char>(s[k])) != 0; };
    if (i == 0 || !alnum(i - 1) || !alnum(i + 1)) return false;
  }
  s = std::move(out);
  return true;
}

// Removes 0x, 0o or 0b when it fits the base; settles base 0.
bool take_prefix(std::string& s, int& base) {
  const char kind = s.size() > 1 && s[0] == '0' ? static_cast<char>(s[1] | 32) : 0;
  const int named = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
  if (named != 0 && (base == 0 || base == named)) {
    base = named;
    s.erase(0, 2);
    if (!s.empty() && s[0] == '_') s.erase(0, 1);
    return true;
  }
  if (base != 0) return true;
  base = 10;
  return s.empty() || s[0] != '0' || s.find_first_not_of("0_") == std::string::npos;
}

}  // namespace

std::optional<Value> parse_integer(std::string_view text, int base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  std::optional<std::string> s = plain_digits(text);
  if (!s || s->empty()) return std::nullopt;
  const bool negative = (*s)[0] == '-';
  if (negative || (*s)[0] == '+') s->erase(0, 1);
  if (!take_prefix(*s, base) || !drop_underscores(*s) || s->empty()) return std::nullopt;
  uint64_t magnitude = 0;
  const auto [end, problem] = std::from_chars(s->data(), s->data() + s->size(), magnitude, base);
  if (end != s->data() + s->size() || problem == std::errc::invalid_argument) return std::nullopt;
  const uint64_t limit = (uint64_t{1} << 63) - !negative;
  if (problem != std::errc() || magnitude > limit) fault("the integer ", printable(text, 40), " does not fit 64 bits");
  return Value::integer(negative ? static_cast<int64_t>(~magnitude + 1) : static_cast<int64_t>(magnitude));
}

std::optional<double> parse_real(std::string_view text) {
  std::optional<std::string> s = plain_digits(text);
  if (!s || s->empty()) return std::nullopt;
  std::string_view body = *s;
  const bool negative = body[0] == '-';
  if (negative || body[0] == '+') body.remove_prefix(1);
  const std::string lower = to_lower_ascii(body);
  double d = 0;
  if (lower == "inf" || lower == "infinity") {
    d = HUGE_VAL;
  } else if (lower == "nan") {
    d = std::nan("");
  } else {
    std::string digits(body);
    const auto first_digit = digits.find_first_not_of('.');
    if (first_digit == std::string::npos || digits[first_digit] < '0' || digits[first_digit] > '9') return std::nullopt;
    if (!drop_underscores(digits)) return std::nullopt;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), d);
    if (end != digits.data() + digits.size() || problem == std::errc::invalid_argument) return std::nullopt;
    if (problem != std::errc()) d = std::strtod(digits.c_str(), nullptr);  // too large or too small: inf or 0
  }
  return negative ? -d : d;
}

Value integer_from_real(double d, std::string_view what) {
  if (std::isnan(d)) fault("cannot convert float NaN to integer in ", what);
  if (std::isinf(d)) fault("cannot convert float infinity to integer in ", what);
  const double whole = std::trunc(d);
  if (whole < -9223372036854775808.0 || whole >= 9223372036854775808.0) {
    fault("integer result does not fit 64 bits in ", what);
  }
  return Value::integer(static_cast<int64_t>(whole));
}

}  // namespace mainspring::jinja
