// format(): Python's format specifications for strings, integers and floats.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"

namespace mainspring::jinja {

namespace {

constexpr int kMaxWidth = 100'000;  // of a field; the output limit would catch more anyway

struct Spec {
  std::string fill = " ";
  char align = 0;  // '<' '>' '=' '^' or 0 for the type's default
  char sign = '-';
  bool alternate = false, zero = false;
  int width = 0, precision = -1;
  char grouping = 0, type = 0;
};

bool is_align(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

int read_number(std::string_view& s) {
  int n = 0;
  while (!s.empty() && s[0] >= '0' && s[0] <= '9') {
    n = n * 10 + (s[0] - '0');
    if (n > kMaxWidth) fault("a format width or precision is larger than ", kMaxWidth);
    s.remove_prefix(1);
  }
  return n;
}

Spec parse_spec(std::string_view s) {
  const std::string_view whole = s;
  Spec spec;
  const auto skip = [&](char c) {
    if (s.empty() || s[0] != c) return false;
    s.remove_prefix(1);
    return true;
  };
  const size_t first = s.empty() ? 0 : decode_utf8(s).length;
  if (first > 0 && s.size() > first && is_align(s[first])) {
    spec.fill = s.substr(0, first);
    spec.align = s[first];
    s.remove_prefix(first + 1);
  } else if (!s.empty() && is_align(s[0])) {
    spec.align = s[0];
    s.remove_prefix(1);
  }
  if (!s.empty() && (s[0] == '+' || s[0] == '-' || s[0] == ' ')) {
    spec.sign = s[0];
    s.remove_prefix(1);
  }
  spec.alternate = skip('#');
  if (skip('0')) {
    spec.zero = true;
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  spec.width = read_number(s);
  if (!s.empty() && (s[0] == ',' || s[0] == '_')) {
    spec.grouping = s[0];
    s.remove_prefix(1);
  }
  if (skip('.')) {
    if (s.empty() || s[0] < '0' || s[0] > '9') fault("Format specifier missing precision");
    spec.precision = read_number(s);
  }
  if (!s.empty()) {
    spec.type = s[0];
    s.remove_prefix(1);
  }
  if (!s.empty()) fault("Invalid format specifier '", printable(whole, 40), "'");
  return spec;
}

std::string pad(const Spec& spec, std::string_view sign, std::string_view body, char default_align) {
  const int used = static_cast<int>(code_points(body) + sign.size());
  const int missing = std::max(0, spec.width - used);
  const char align = spec.align != 0 ? spec.align : default_align;
  const auto filler = [&](int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += spec.fill;
    return out;
  };
  switch (align) {
    case '<': return cat(sign, body, filler(missing));
    case '=': return cat(sign, filler(missing), body);
    case '^': return cat(filler(missing / 2), sign, body, filler(missing - missing / 2));
    default: return cat(filler(missing), sign, body);
  }
}

// Groups digits from the right and, with zero padding, fills up to the width inside the groups as Python does.
std::string group_digits(std::string digits, const Spec& spec, int every, size_t other_width) {
  if (spec.grouping == 0) return digits;
  const auto grouped = [&](const std::string& d) {
    std::string out;
    for (size_t i = 0; i < d.size(); ++i) {
      if (i > 0 && (d.size() - i) % static_cast<size_t>(every) == 0) out += spec.grouping;
      out += d[i];
    }
    return out;
  };
  std::string out = grouped(digits);
  if (spec.fill == "0" && spec.align == '=') {
    while (out.size() + other_width < static_cast<size_t>(spec.width)) {
      digits.insert(0, "0");
      out = grouped(digits);
    }
  }
  return out;
}

std::string sign_of(bool negative, char sign) {
  if (negative) return "-";
  return sign == '-' ? "" : std::string(1, sign);
}

std::string format_integer(int64_t i, const Spec& spec) {
  if (spec.precision >= 0) fault("Precision not allowed in integer format specifier");
  const uint64_t magnitude = i < 0 ? ~static_cast<uint64_t>(i) + 1 : static_cast<uint64_t>(i);
  if (spec.type == 'c') {
    if (i < 0 || i > 0x10FFFF) fault("%c arg not in range(0x110000)");
    std::string c;
    append_utf8(c, static_cast<uint32_t>(i));
    return pad(spec, "", c, '<');
  }
  const int base = spec.type == 'b' ? 2 : spec.type == 'o' ? 8 : spec.type == 'x' || spec.type == 'X' ? 16 : 10;
  char buffer[72];
  std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, magnitude, base).ptr);
  std::string sign = sign_of(i < 0, spec.sign);
  if (spec.type == 'X') std::transform(digits.begin(), digits.end(), digits.begin(), [](char c) {
    return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  });
  if (spec.alternate && base != 10) sign += cat("0", spec.type);
  if (spec.grouping == ',' && base != 10) fault("Cannot specify ',' with '", spec.type, "'.");
  return pad(spec, sign, group_digits(std::move(digits), spec, base == 10 ? 3 : 4, sign.size()), '>');
}

std::string format_double(double d, const Spec& spec) {
  const bool negative = std::signbit(d) && !std::isnan(d);
  const double magnitude = std::fabs(d);
  std::string body;
  if (spec.type == 0 && spec.precision < 0) {
    body = real_text(magnitude);
  } else if (spec.type == 0) {
    // Like 'g' but with a digit after the point, and exponents one step earlier.
    body = format_real(magnitude, 'g', std::max(1, spec.precision), false);
    int exponent = 0;
    if (magnitude != 0 && std::isfinite(magnitude)) {
      const std::string e = format_real(magnitude, 'e', std::max(0, spec.precision - 1), false);
      exponent = std::atoi(e.c_str() + e.find('e') + 1);
    }
    if (exponent == std::max(1, spec.precision) - 1 && std::isfinite(magnitude) && exponent > 0) {
      body = format_real(magnitude, 'e', std::max(0, spec.precision - 1), false);
      const size_t e = body.find('e');
      size_t end = e;
      if (body.find('.') < e) {
        while (body[end - 1] == '0') --end;
        if (body[end - 1] == '.') --end;
      }
      body.erase(end, e - end);
    } else if (body.find_first_of(".en") == std::string::npos) {
      body += ".0";
    }
  } else if (spec.type == '%') {
    body = format_real(magnitude * 100, 'f', spec.precision < 0 ? 6 : spec.precision, spec.alternate) + "%";
  } else {
    const char type = spec.type == 'n' ? 'g' : spec.type;
    body = format_real(magnitude, type, spec.precision < 0 ? 6 : spec.precision, spec.alternate);
  }
  const std::string sign = sign_of(negative, spec.sign);
  if (spec.grouping != 0 && std::isfinite(d)) {
    const size_t whole = std::min(body.find_first_not_of("0123456789"), body.size());
    body = group_digits(body.substr(0, whole), spec, 3, sign.size() + body.size() - whole) + body.substr(whole);
  }
  return pad(spec, sign, body, '>');
}

std::string format_string(const std::string& s, const Spec& spec) {
  if (spec.type != 0 && spec.type != 's') fault("Unknown format code '", spec.type, "' for object of type 'str'");
  if (spec.sign != '-') fault("Sign not allowed in string format specifier");
  if (spec.alternate) fault("Alternate form (#) not allowed in string format specifier");
  if (spec.align == '=' && !spec.zero) fault("'=' alignment not allowed in string format specifier");
  if (spec.grouping != 0) fault("Cannot specify ',' with 's'.");
  Spec own = spec;
  if (own.align == '=') own.align = '<';
  std::string_view body = s;
  if (spec.precision >= 0) body = body.substr(0, byte_offset(s, static_cast<size_t>(spec.precision)));
  return pad(own, "", body, '<');
}

}  // namespace

std::string format_real(double d, char type, int precision, bool alternate) {
  const bool upper = type >= 'A' && type <= 'Z';
  if (!std::isfinite(d)) {
    const char* name = std::isnan(d) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
    return cat(d < 0 ? "-" : "", name);
  }
  // printf knows these conversions with the very same rules.
  const char pattern[] = {'%', alternate ? '#' : '0', '.', '*', type, 0};
  char buffer[512];
  const int n = std::snprintf(buffer, sizeof buffer, pattern, precision, d);
  if (n < static_cast<int>(sizeof buffer)) return std::string(buffer, static_cast<size_t>(n));
  std::string out(static_cast<size_t>(n), '\0');
  std::snprintf(out.data(), out.size() + 1, pattern, precision, d);
  return out;
}

std::string format_value(Interp& in, const Value& v, std::string_view text) {
  if (text.empty()) return to_text(in, v);
  if (!v.is_string() && !v.is_number()) {
    fault("unsupported format string passed to ", type_name(v), ".__format__");
  }
  const Spec spec = parse_spec(text);
  in.step(static_cast<size_t>(spec.width + std::max(0, spec.precision)) / 16 + 1);
  if (v.is_string()) return format_string(v.text(), spec);
  constexpr std::string_view kRealTypes = "eEfFgG%";
  if (v.is(Kind::kBool) && spec.type == 's') fault("Unknown format code 's' for object of type 'bool'");
  if (v.is_integral()) {
    if (spec.type != 0 && kRealTypes.find(spec.type) != std::string_view::npos) return format_double(v.as_real(), spec);
    constexpr std::string_view kTypes = "bcdoxXn";
    if (spec.type != 0 && kTypes.find(spec.type) == std::string_view::npos) {
      fault("Unknown format code '", spec.type, "' for object of type '", type_name(v), "'");
    }
    return format_integer(v.as_int(), spec);
  }
  if (spec.type != 0 && spec.type != 'n' && kRealTypes.find(spec.type) == std::string_view::npos) {
    fault("Unknown format code '", spec.type, "' for object of type 'float'");
  }
  return format_double(v.as_real(), spec);
}

}  // namespace mainspring::jinja
