// Character tests and normalisation forms as the `tokenizers` library sees them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace mainspring::tok {

bool is_white_space(uint32_t c) noexcept;  // Unicode White_Space
bool is_numeric(uint32_t c) noexcept;      // Nd, Nl, No
bool is_word(uint32_t c) noexcept;         // \w of Rust's regex crate
bool is_punctuation(uint32_t c) noexcept;  // ASCII punctuation or category P
bool is_control(uint32_t c) noexcept;      // category C as BertNormalizer removes it
bool is_mark(uint32_t c) noexcept;         // category M
bool is_nonspacing_mark(uint32_t c) noexcept;
bool is_cjk(uint32_t c) noexcept;  // BertNormalizer's Chinese characters
// Lower-case form: one code point, or two for U+0130. Returns the first, `second` is 0 when there is none.
uint32_t to_lower(uint32_t c, uint32_t& second) noexcept;
// Script class of the UnicodeScripts pre-tokenizer; 0 belongs to every script.
uint32_t script_class(uint32_t c) noexcept;
// What PCRE2 must see instead of `c` to agree with Oniguruma's Unicode tables; `c` itself nearly always.
uint32_t regex_stand_in(uint32_t c) noexcept;

// Walks over valid UTF-8: calls f(code, first byte offset, byte length).
template <class F>
void for_each_code(std::string_view s, F&& f) {
  for (size_t i = 0; i < s.size();) {
    const auto b = static_cast<unsigned char>(s[i]);
    if (b < 0x80) {
      f(uint32_t{b}, i, size_t{1});
      ++i;
      continue;
    }
    const Utf8Char c = decode_utf8(s.substr(i));
    f(c.code, i, size_t{c.length});
    i += c.length;
  }
}
std::vector<uint32_t> code_points(std::string_view s);
std::string to_utf8(uint32_t code);
// Byte length of the code point that starts with this byte (valid UTF-8 only).
inline size_t utf8_length(char lead) noexcept {
  const auto b = static_cast<unsigned char>(lead);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// One stretch of text and what it became; stretches the form leaves alone are not reported.
struct NormalPart {
  size_t begin = 0, end = 0;  // bytes of the input
  std::string text;
};
// The parts of valid UTF-8 `s` that change under `form`, in order.
class NormalForms {
 public:
  explicit NormalForms(NormalForm form);
  std::vector<NormalPart> changes(std::string_view s) const;

 private:
  bool stable(uint32_t code) const noexcept {
    return code >= kTableCodes || (stable_[code >> 6] >> (code & 63) & 1) != 0;
  }
  static constexpr uint32_t kTableCodes = 0x30000;  // nothing above planes 0-2 is decomposed or reordered
  NormalForm form_;
  std::vector<uint64_t> stable_;  // bit per code point: unchanged and never combines with what stands before it
};

}  // namespace mainspring::tok
