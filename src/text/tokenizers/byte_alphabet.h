// The GPT-2 alphabet: each byte as a printable character.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mainspring::tok {

// Code point of each byte: printable Latin-1 stands for itself, the other bytes are U+0100 and following.
constexpr std::array<uint16_t, 256> make_byte_alphabet() noexcept {
  std::array<uint16_t, 256> map{};
  uint16_t next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    map[b] = printable ? static_cast<uint16_t>(b) : next++;
  }
  return map;
}
inline constexpr std::array<uint16_t, 256> kByteAlphabet = make_byte_alphabet();
inline constexpr uint32_t kByteAlphabetEnd = 324;  // one past the last code point used

constexpr std::array<int16_t, kByteAlphabetEnd> make_alphabet_bytes() noexcept {
  std::array<int16_t, kByteAlphabetEnd> map{};
  for (auto& v : map) v = -1;
  for (unsigned b = 0; b < 256; ++b) map[kByteAlphabet[b]] = static_cast<int16_t>(b);
  return map;
}
inline constexpr std::array<int16_t, kByteAlphabetEnd> kAlphabetBytes = make_alphabet_bytes();

// Appends the alphabet characters of the bytes of `s`.
inline void append_as_alphabet(std::string& out, std::string_view s) {
  for (const char c : s) {
    const uint16_t code = kByteAlphabet[static_cast<unsigned char>(c)];
    if (code < 0x80) {
      out.push_back(static_cast<char>(code));
    } else {
      out.push_back(static_cast<char>(0xC0 | code >> 6));
      out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
  }
}

// Appends the bytes that `s` spells; false (and `out` as it was) when a character is not of the alphabet.
inline bool append_from_alphabet(std::string& out, std::string_view s) {
  const size_t before = out.size();
  for (size_t i = 0; i < s.size(); ++i) {
    uint32_t code = static_cast<unsigned char>(s[i]);
    if (code >= 0xC0 && code < 0xE0 && i + 1 < s.size()) {
      code = (code & 0x1F) << 6 | (static_cast<unsigned char>(s[++i]) & 0x3F);
    } else if (code >= 0x80) {
      code = kByteAlphabetEnd;
    }
    if (code >= kByteAlphabetEnd || kAlphabetBytes[code] < 0) {
      out.resize(before);
      return false;
    }
    out.push_back(static_cast<char>(kAlphabetBytes[code]));
  }
  return true;
}

}  // namespace mainspring::tok
