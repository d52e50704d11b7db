// str() and repr() of values.
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"

namespace mainspring::jinja {

const char* type_name(const Value& v) noexcept {
  switch (v.kind()) {
    case Kind::kMissing: return "missing";
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return v.is_markup() ? "Markup" : "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kView: {
      const auto part = v.as<ViewObj>().part;
      return part == ViewObj::Part::kKeys ? "dict_keys" : part == ViewObj::Part::kValues ? "dict_values" : "dict_items";
    }
    case Kind::kRange: return "range";
    case Kind::kGenerator: return v.as<GeneratorObj>().type;
    case Kind::kNamespace: return "Namespace";
    case Kind::kLoop: return "LoopContext";
    case Kind::kMacro: return "Macro";
    case Kind::kFunction: return "function";
    case Kind::kMethod: return "builtin_function_or_method";
    case Kind::kCycler: return "Cycler";
    case Kind::kJoiner: return "Joiner";
  }
  return "object";
}

// repr(float): the shortest digits that read back, positional for exponents -4 .. 15.
std::string real_text(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string_view s(buffer, static_cast<size_t>(end - buffer));
  std::string out;
  if (s[0] == '-') {
    out = "-";
    s.remove_prefix(1);
  }
  const size_t e = s.find('e');
  int exponent = 0;
  const std::string_view power = s.substr(e + 1);
  std::from_chars(power.data() + (power[0] == '+'), power.data() + power.size(), exponent);
  std::string digits(1, s[0]);
  if (e > 1) digits += s.substr(2, e - 2);
  const int n = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (n > 1) out += cat(".", std::string_view(digits).substr(1));
    const int magnitude = std::abs(exponent);
    return cat(out, "e", exponent < 0 ? "-" : "+", magnitude < 10 ? "0" : "", magnitude);
  }
  if (exponent < 0) return cat(out, "0.", std::string(static_cast<size_t>(-exponent - 1), '0'), digits);
  if (n <= exponent + 1) return cat(out, digits, std::string(static_cast<size_t>(exponent + 1 - n), '0'), ".0");
  const size_t whole = static_cast<size_t>(exponent) + 1;
  return cat(out, std::string_view(digits).substr(0, whole), ".", std::string_view(digits).substr(whole));
}

std::string quoted(std::string_view s) {
  const bool double_quotes = s.find('\'') != std::string_view::npos && s.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  constexpr char kHex[] = "0123456789abcdef";
  std::string out(1, quote);
  for (size_t i = 0; i < s.size();) {
    if (s[i] >= ' ' && s[i] < 0x7F && s[i] != quote && s[i] != '\\') {  // the common case
      out += s[i++];
      continue;
    }
    const Utf8Char c = decode_utf8(s.substr(i));
    const uint32_t u = c.code;
    if (u == static_cast<uint32_t>(quote) || u == '\\') {
      out += '\\';
      out += static_cast<char>(u);
    } else if (u == '\n' || u == '\r' || u == '\t') {
      out += u == '\n' ? "\\n" : u == '\r' ? "\\r" : "\\t";
    } else if (!is_printable(u)) {
      const int digits = u < 0x100 ? 2 : u < 0x10000 ? 4 : 8;
      out += digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
      for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kHex[(u >> shift) & 15];
    } else {
      append_utf8(out, u);
    }
    i += c.length;
  }
  return out += quote;
}

namespace {

void append_items(Interp& in, std::string& out, const std::vector<Value>& items) {
  bool first = true;
  for (const Value& v : items) {
    if (!std::exchange(first, false)) out += ", ";
    append_repr(in, out, v);
  }
}

void append_dict(Interp& in, std::string& out, const DictObj& d) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : d.items) {
    if (!std::exchange(first, false)) out += ", ";
    append_repr(in, out, key);
    out += ": ";
    append_repr(in, out, value);
  }
  out += '}';
}

void append_view(Interp& in, std::string& out, const Value& v) {
  out += type_name(v);
  out += "([";
  append_items(in, out, to_vector(in, v));
  out += "])";
}

void append_function_repr(std::string& out, const Value& v) {
  if (v.is(Kind::kMacro)) {
    const MacroNode& m = *v.as<MacroObj>().node;
    out += m.name.empty() ? "<Macro anonymous>" : cat("<Macro ", quoted(m.name), ">");
  } else if (v.is(Kind::kFunction)) {
    out += cat("<function ", v.builtin()->name, ">");
  } else {  // Python prints an address here
    out += cat("<", type_name(v), " object>");
  }
}

}  // namespace

void append_repr(Interp& in, std::string& out, const Value& v) {
  in.step();
  in.require_memory(out.size());
  Interp::Nested nested(in, 1);
  switch (v.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined: out += "Undefined"; return;
    case Kind::kNone: out += "None"; return;
    case Kind::kBool: out += v.as_bool() ? "True" : "False"; return;
    case Kind::kInt: out += cat(v.as_int()); return;
    case Kind::kFloat: out += real_text(v.as_real()); return;
    case Kind::kString: {
      in.scan(v.text().size());
      const std::string text = quoted(v.text());
      out += v.is_markup() ? cat("Markup(", text, ")") : text;
      return;
    }
    case Kind::kList:
      out += '[';
      append_items(in, out, v.items());
      out += ']';
      return;
    case Kind::kTuple:
      out += '(';
      append_items(in, out, v.items());
      out += v.items().size() == 1 ? ",)" : ")";
      return;
    case Kind::kDict: return append_dict(in, out, v.as<DictObj>());
    case Kind::kView: return append_view(in, out, v);
    case Kind::kRange: {
      const RangeObj& r = v.as<RangeObj>();
      out += cat("range(", r.start, ", ", r.stop);
      if (r.step != 1) out += cat(", ", r.step);
      out += ')';
      return;
    }
    case Kind::kNamespace:
      out += "<Namespace ";
      append_dict(in, out, v.as<NamespaceObj>().attributes);
      out += '>';
      return;
    case Kind::kLoop:
      out += cat("<LoopContext ", in.loop_attribute(v, "index").as_int(), "/", in.loop_attribute(v, "length").as_int(),
                 ">");
      return;
    default: append_function_repr(out, v);
  }
}

void append_text(Interp& in, std::string& out, const Value& v) {
  if (v.is_string()) {
    in.require_memory(out.size() + v.text().size());
    out += v.text();
  } else if (!v.is_undefined()) {
    append_repr(in, out, v);
  }
}

std::string to_text(Interp& in, const Value& v) {
  std::string out;
  append_text(in, out, v);
  return out;
}

std::string_view text_of(Interp& in, const Value& v, std::string& hold) {
  if (v.is_string()) return v.text();
  hold = to_text(in, v);
  return hold;
}

std::string escape_html(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (char c : s) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace mainspring::jinja
