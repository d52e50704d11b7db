// Table look-ups for unicode.h; utf8proc does the normalisation proper.
#include "text/tokenizers/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/str.h"
#include "text/tokenizers/unicode_data.h"

namespace mainspring::tok {
namespace {

template <class Row>
const Row* find_row(std::span<const Row> rows, uint32_t c) noexcept {
  auto it = std::upper_bound(rows.begin(), rows.end(), c, [](uint32_t v, const Row& r) { return v < r.first; });
  if (it == rows.begin()) return nullptr;
  --it;
  return c <= it->last ? &*it : nullptr;
}

struct FreeDeleter {
  void operator()(void* p) const noexcept { std::free(p); }
};

int options_of(NormalForm form) noexcept {
  const int base = UTF8PROC_STABLE;
  switch (form) {
    case NormalForm::kNfc: return base | UTF8PROC_COMPOSE;
    case NormalForm::kNfd: return base | UTF8PROC_DECOMPOSE;
    case NormalForm::kNfkc: return base | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    case NormalForm::kNfkd: return base | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
  }
  return base;
}

void append_normalized(std::string& out, std::string_view s, NormalForm form) {
  if (s.empty()) return;
  utf8proc_uint8_t* raw = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(s.data()),
                              static_cast<utf8proc_ssize_t>(s.size()), &raw,
                              static_cast<utf8proc_option_t>(options_of(form)));
  const std::unique_ptr<utf8proc_uint8_t, FreeDeleter> owner(raw);
  if (n < 0) fail(Code::kInternal, "Unicode normalisation failed: ", utf8proc_errmsg(n));
  out.append(reinterpret_cast<const char*>(raw), static_cast<size_t>(n));
}

bool is_inert(uint32_t c) noexcept { return c >= 0x300 && find_row(kInert, c) != nullptr; }

// utf8proc follows a newer Unicode than the library: code points the library does not know yet split the text.
std::string normalized(std::string_view s, NormalForm form) {
  std::string out;
  size_t begin = 0;
  for_each_code(s, [&](uint32_t c, size_t at, size_t length) {
    if (!is_inert(c)) return;
    append_normalized(out, s.substr(begin, at - begin), form);
    out.append(s.substr(at, length));
    begin = at + length;
  });
  append_normalized(out, s.substr(begin), form);
  return out;
}

// Can `c` compose with a character in front of it? (Second halves of primary composites, Hangul vowels and finals.)
bool composes_backwards(uint32_t c) {
  if ((c >= 0x1161 && c <= 0x1175) || (c >= 0x11A8 && c <= 0x11C2)) return true;
  const utf8proc_property_t* p = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return p->comb_index != UINT16_MAX && (p->comb_index & 0x8000) != 0;
}

bool changes_alone(uint32_t c, NormalForm form) {
  const std::string before = to_utf8(c);
  std::string after;
  append_normalized(after, before, form);
  return after != before;
}

}  // namespace

bool is_white_space(uint32_t c) noexcept {
  if (c < 0x80) return (c >= 9 && c <= 13) || c == ' ';
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(uint32_t c) noexcept {
  return c < 0x80 ? c >= '0' && c <= '9' : find_row(kNumeric, c) != nullptr;
}

bool is_word(uint32_t c) noexcept {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  return find_row(kWord, c) != nullptr;
}

bool is_punctuation(uint32_t c) noexcept { return find_row(kPunctuation, c) != nullptr; }
bool is_control(uint32_t c) noexcept { return find_row(kControl, c) != nullptr; }
bool is_mark(uint32_t c) noexcept { return c >= 0x300 && find_row(kMark, c) != nullptr; }
bool is_nonspacing_mark(uint32_t c) noexcept { return c >= 0x300 && find_row(kNonspacing, c) != nullptr; }

bool is_cjk(uint32_t c) noexcept {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

uint32_t to_lower(uint32_t c, uint32_t& second) noexcept {
  second = 0;
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c == 0x130) {
    second = 0x307;
    return 'i';
  }
  const LowerRun* run = find_row(kLower, c);
  return run != nullptr && (c - run->first) % run->step == 0 ? c + run->delta : c;
}

uint32_t script_class(uint32_t c) noexcept {
  const ValueRange* row = find_row(kScripts, c);
  return row == nullptr ? 0 : row->value;
}

uint32_t regex_stand_in(uint32_t c) noexcept {
  const ValueRange* row = find_row(kStandIns, c);
  return row == nullptr ? c : row->value;
}

std::vector<uint32_t> code_points(std::string_view s) {
  std::vector<uint32_t> out;
  out.reserve(s.size());
  for_each_code(s, [&](uint32_t c, size_t, size_t) { out.push_back(c); });
  return out;
}

std::string to_utf8(uint32_t code) {
  std::string out;
  append_utf8(out, code);
  return out;
}

NormalForms::NormalForms(NormalForm form) : form_(form), stable_(kTableCodes / 64, 0) {
  const int options = options_of(form);
  for (uint32_t c = 0; c < kTableCodes; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const utf8proc_property_t* p = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    bool stable = false;
    if (p->combining_class == 0) {
      const bool hangul = c >= 0xAC00 && c <= 0xD7A3;
      const bool plain = p->decomp_seqindex == UINT16_MAX && !hangul;
      const bool composing = (options & UTF8PROC_COMPOSE) != 0;
      if (plain) {
        stable = !composing || !composes_backwards(c);
      } else if (hangul) {
        stable = composing;
      } else {
        stable = !changes_alone(c, form) && !(composing && composes_backwards(c));
      }
    }
    if (stable) stable_[c >> 6] |= uint64_t{1} << (c & 63);
  }
  for (const CodeRange& range : kInert) {
    for (uint32_t c = range.first; c <= range.last && c < kTableCodes; ++c) stable_[c >> 6] |= uint64_t{1} << (c & 63);
  }
}

std::vector<NormalPart> NormalForms::changes(std::string_view s) const {
  std::vector<NormalPart> parts;
  size_t starter = 0;        // the last stable code point: what follows may combine with it
  size_t begin = SIZE_MAX;   // start of the unstable stretch being collected
  auto flush = [&](size_t end) {
    if (begin == SIZE_MAX) return;
    std::string text = normalized(s.substr(begin, end - begin), form_);
    if (text != s.substr(begin, end - begin)) parts.push_back({begin, end, std::move(text)});
    begin = SIZE_MAX;
  };
  for_each_code(s, [&](uint32_t c, size_t at, size_t) {
    if (c < 0x80 || stable(c)) {
      flush(at);
      starter = at;
    } else if (begin == SIZE_MAX) {
      begin = starter;
    }
  });
  flush(s.size());
  return parts;
}

}  // namespace mainspring::tok
