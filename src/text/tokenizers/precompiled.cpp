// The Precompiled normalizer: a sentencepiece character map (Darts double array plus replacement strings).
#include <utf8proc.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/str.h"
#include "text/tokenizers/normalizer.h"
#include "text/tokenizers/unicode.h"

namespace mainspring::tok {
namespace {

class CharsMap {
 public:
  explicit CharsMap(const std::string& blob) {
    uint32_t bytes = 0;
    if (blob.size() < 4) fail(Code::kInvalidInput, "precompiled_charsmap is too short");
    std::memcpy(&bytes, blob.data(), 4);
    if (bytes % 4 != 0 || bytes > blob.size() - 4) {
      fail(Code::kInvalidInput, "precompiled_charsmap: the table of ", bytes, " bytes does not fit in ", blob.size());
    }
    units_.resize(bytes / 4);
    if (bytes != 0) std::memcpy(units_.data(), blob.data() + 4, bytes);
    texts_ = blob.substr(4 + bytes);
  }

  // Replacement of the shortest key that is a prefix of `s`, as the library takes the first result of its search.
  std::optional<std::string_view> find(std::string_view s) const noexcept {
    if (units_.empty()) return std::nullopt;
    uint32_t node = 0;
    uint32_t unit = units_[0];
    node ^= offset(unit);
    for (const char c : s) {
      const auto b = static_cast<unsigned char>(c);
      if (b == 0) break;
      node ^= b;
      if (node >= units_.size()) return std::nullopt;
      unit = units_[node];
      if ((unit & ((1U << 31) | 0xFF)) != b) return std::nullopt;
      node ^= offset(unit);
      if ((unit >> 8 & 1) == 1) {
        if (node >= units_.size()) return std::nullopt;
        return text_at(units_[node] & ((1U << 31) - 1));
      }
    }
    return std::nullopt;
  }

 private:
  static uint32_t offset(uint32_t unit) noexcept { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }

  std::optional<std::string_view> text_at(uint32_t at) const noexcept {
    if (at >= texts_.size()) return std::nullopt;
    const size_t end = texts_.find('\0', at);
    return std::string_view(texts_).substr(at, (end == std::string::npos ? texts_.size() : end) - at);
  }

  std::vector<uint32_t> units_;
  std::string texts_;
};

class PrecompiledNormalizer final : public Normalizer {
 public:
  explicit PrecompiledNormalizer(const std::string& blob) : map_(blob) {}

  void apply(NormalizedText& text, RegexScratch&) const override {
    const std::string& s = text.text();
    NormalizedText::Rewrite rewrite(text);
    size_t begin = 0;
    utf8proc_int32_t state = 0;
    uint32_t previous = 0;
    for_each_code(s, [&](uint32_t c, size_t at, size_t) {
      const bool cut = at > 0 && utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous),
                                                                  static_cast<utf8proc_int32_t>(c), &state);
      if (cut) {
        grapheme(s, begin, at, rewrite);
        begin = at;
      }
      previous = c;
    });
    grapheme(s, begin, s.size(), rewrite);
    rewrite.commit();
  }

 private:
  // Short graphemes are looked up whole first, then code point by code point (the library's own rule).
  void grapheme(std::string_view s, size_t begin, size_t end, NormalizedText::Rewrite& out) const {
    if (end - begin < 6) {
      if (const auto text = map_.find(s.substr(begin, end - begin))) return out.put(*text, begin);
    }
    for_each_code(s.substr(begin, end - begin), [&](uint32_t, size_t at, size_t length) {
      if (const auto text = map_.find(s.substr(begin + at, length))) {
        out.put(*text, begin + at);
      } else {
        out.keep(begin + at, begin + at + length);
      }
    });
  }

  CharsMap map_;
};

}  // namespace

NormalizerPtr make_precompiled_normalizer(std::string charsmap) {
  return std::make_unique<PrecompiledNormalizer>(charsmap);
}

}  // namespace mainspring::tok
