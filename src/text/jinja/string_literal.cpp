// Escapes of string literals, as Python's unicode-escape codec reads them.
#include "text/jinja/string_literal.h"

#include <cstdint>

#include "base/utf8.h"

namespace mainspring::jinja {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A backslash before a character outside ASCII stays, and the character becomes the text of its own escape: that is
// what Jinja2's way through "backslashreplace" does.
void append_spelled(std::string& out, uint32_t code) {
  constexpr char kHex[] = "0123456789abcdef";
  const int digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  out += '\\';
  out += digits == 2 ? 'x' : digits == 4 ? 'u' : 'U';
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kHex[(code >> shift) & 15];
}

// Reads `count` hex digits at i.
const char* hex_escape(std::string_view body, size_t& i, int count, std::string& out) {
  uint32_t code = 0;
  for (int k = 0; k < count; ++k, ++i) {
    const int v = i < body.size() ? hex_value(body[i]) : -1;
    if (v < 0) return "truncated \\x, \\u or \\U escape in a string";
    code = code * 16 + static_cast<uint32_t>(v);
  }
  if (code > 0x10FFFF) return "illegal Unicode character in a string";
  if (code >= 0xD800 && code < 0xE000) return "a string names half of a surrogate pair";
  append_utf8(out, code);
  return nullptr;
}

char simple_escape(char c) {
  switch (c) {
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    case '\\': case '\'': case '"': return c;
    default: return 0;
  }
}

}  // namespace

const char* decode_string_literal(std::string_view body, std::string& out) {
  for (size_t i = 0; i < body.size();) {
    if (body[i] != '\\') {
      out += body[i++];
      continue;
    }
    if (++i >= body.size()) return "\\ at end of string";
    const char c = body[i];
    if (c == '\n') {
      ++i;
    } else if (const char plain = simple_escape(c)) {
      out += plain;
      ++i;
    } else if (c >= '0' && c <= '7') {
      uint32_t code = 0;
      for (int k = 0; k < 3 && i < body.size() && body[i] >= '0' && body[i] <= '7'; ++k, ++i) {
        code = code * 8 + static_cast<uint32_t>(body[i] - '0');
      }
      append_utf8(out, code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      if (const char* problem = hex_escape(body, ++i, c == 'x' ? 2 : c == 'u' ? 4 : 8, out)) return problem;
    } else if (c == 'N') {
      return "\\N{...} escapes are not supported";
    } else if (static_cast<uint8_t>(c) >= 0x80) {
      const Utf8Char u = decode_utf8(body.substr(i));
      append_spelled(out, u.code);
      i += u.length;
    } else {
      out += '\\';
      out += c;
      ++i;
    }
  }
  return nullptr;
}

}  // namespace mainspring::jinja
