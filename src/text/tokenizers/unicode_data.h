// Character classes of the `tokenizers` library as sorted range tables (the data is generated).
#pragma once

#include <cstdint>
#include <span>

namespace mainspring::tok {

struct CodeRange {
  uint32_t first, last;
};
struct ValueRange {
  uint32_t first, last, value;
};
struct LowerRun {
  uint32_t first, last, step, delta;  // every step-th code point maps to itself + delta (modulo 2^32)
};

extern const std::span<const CodeRange> kNumeric, kPunctuation, kWord, kControl, kMark, kNonspacing;
extern const std::span<const CodeRange> kInert;  // code points the library's normalisation forms leave alone
extern const std::span<const LowerRun> kLower;
extern const std::span<const ValueRange> kScripts;   // value: script class, neighbours of one class stay together
extern const std::span<const ValueRange> kStandIns;  // value: what PCRE2 is shown instead, of the same UTF-8 length

}  // namespace mainspring::tok
