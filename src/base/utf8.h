// UTF-8 decoding and encoding, strict (no surrogates, no overlong forms, nothing above U+10FFFF).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mainspring {

struct Utf8Char {
  uint32_t code = 0xFFFD;  // code point, U+FFFD when invalid
  uint8_t length = 1;      // bytes consumed, at least 1 (for invalid input: the maximal ill-formed prefix)
  bool valid = false;
  bool incomplete = false;  // ill-formed only because the input ends here
};

// Decodes the first code point of a non-empty string.
Utf8Char decode_utf8(std::string_view s) noexcept;
void append_utf8(std::string& out, uint32_t code);
bool is_valid_utf8(std::string_view s) noexcept;
// Replaces every maximal ill-formed sequence by U+FFFD, as Python's errors="replace" does.
std::string replace_invalid_utf8(std::string_view s);
// Length of the longest prefix that ends on a code-point boundary, when the tail is an incomplete sequence.
size_t complete_utf8_prefix(std::string_view s) noexcept;

}  // namespace mainspring
