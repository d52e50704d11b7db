// Base64 decoding.
#include "text/tokenizers/base64.h"

#include <cstdint>

namespace mainspring::tok {
namespace {

int digit(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view s) {
  if (s.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && !s.empty() && s.back() == '=') {
    s.remove_suffix(1);
    ++padding;
  }
  std::string out;
  out.reserve(s.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : s) {
    const int v = digit(c);
    if (v < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(v);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return out;
}

}  // namespace mainspring::tok
