// Strict UTF-8 (Unicode 15, table 3-7).
#include "base/utf8.h"

namespace mainspring {

Utf8Char decode_utf8(std::string_view s) noexcept {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(s[i]); };
  const uint8_t b0 = byte(0);
  if (b0 < 0x80) return {b0, 1, true, false};
  int need;
  uint32_t code;
  uint8_t lo = 0x80, hi = 0xBF;  // allowed range of the second byte
  if (b0 >= 0xC2 && b0 <= 0xDF) {
    need = 1, code = b0 & 0x1F;
  } else if (b0 >= 0xE0 && b0 <= 0xEF) {
    need = 2, code = b0 & 0x0F;
    if (b0 == 0xE0) lo = 0xA0;
    if (b0 == 0xED) hi = 0x9F;
  } else if (b0 >= 0xF0 && b0 <= 0xF4) {
    need = 3, code = b0 & 0x07;
    if (b0 == 0xF0) lo = 0x90;
    if (b0 == 0xF4) hi = 0x8F;
  } else {
    return {};
  }
  for (int i = 1; i <= need; ++i) {
    if (static_cast<size_t>(i) >= s.size()) return {0xFFFD, static_cast<uint8_t>(i), false, true};
    const uint8_t b = byte(i);
    if (b < lo || b > hi) return {0xFFFD, static_cast<uint8_t>(i), false, false};
    code = (code << 6) | (b & 0x3F);
    lo = 0x80, hi = 0xBF;
  }
  return {code, static_cast<uint8_t>(need + 1), true, false};
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

bool is_valid_utf8(std::string_view s) noexcept {
  while (!s.empty()) {
    const Utf8Char c = decode_utf8(s);
    if (!c.valid) return false;
    s.remove_prefix(c.length);
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  while (!s.empty()) {
    const Utf8Char c = decode_utf8(s);
    if (c.valid) out.append(s.substr(0, c.length));
    else append_utf8(out, 0xFFFD);
    s.remove_prefix(c.length);
  }
  return out;
}

size_t complete_utf8_prefix(std::string_view s) noexcept {
  // An incomplete sequence is at most 3 bytes long, so only the tail has to be looked at.
  for (size_t back = 1; back <= 3 && back <= s.size(); ++back) {
    const auto b = static_cast<uint8_t>(s[s.size() - back]);
    if ((b & 0xC0) == 0x80) continue;
    return decode_utf8(s.substr(s.size() - back)).incomplete ? s.size() - back : s.size();
  }
  return s.size();
}

}  // namespace mainspring
